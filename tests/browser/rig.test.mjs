// The rig must see what it is there to see: a request that leaves the machine, and a script that throws.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { launch, open } from './rig.mjs';

let browser;
let server;
let address;

const pages = {
  '/quiet': '<!doctype html><title>quiet</title><p>nothing to see',
  '/leaky': '<!doctype html><title>leaky</title><img src="http://outside.invalid/pixel.png">',
  '/broken': '<!doctype html><title>broken</title><script>throw new Error("planted")</script>',
};

before(async () => {
  browser = await launch();
  server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(pages[request.url] ?? '');
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  address = `http://127.0.0.1:${server.address().port}`;
});

after(async () => {
  await browser?.close();
  server?.close();
});

test('a quiet page is quiet', async () => {
  const { page, outside, errors } = await open(browser);
  await page.goto(`${address}/quiet`);
  assert.equal(await page.title(), 'quiet');
  assert.deepEqual([outside, errors], [[], []]);
});

test('a request that leaves the machine is refused and named', async () => {
  const { page, outside } = await open(browser);
  await page.goto(`${address}/leaky`);
  assert.deepEqual(outside, ['http://outside.invalid/pixel.png']);
});

test('a script that throws is seen', async () => {
  const { page, errors } = await open(browser);
  await page.goto(`${address}/broken`);
  assert.deepEqual(errors, ['Error: planted']);
});
