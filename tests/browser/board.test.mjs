// From transcripts on disk to the board in a browser, through the real program: import, rank, page, live refresh.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, open } from './rig.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tally = process.env.TALLY_BINARY ?? join(root, 'target/debug/tally');
const shots = join(root, 'artifacts/whole');
const clock = '2026-02-13T00:00:00Z';
const settings = { TALLY__WEB__LISTEN: '127.0.0.1:0', TALLY__COLLECTOR__LISTEN: '127.0.0.1:0', TALLY__DIAGNOSTICS__FILTER: 'warn' };
const env = { ...process.env, ...settings };
for (const name of ['TALLY_BINARY', 'TALLY_DATA_DIR']) delete env[name];

const home = mkdtempSync(join(tmpdir(), 'tally-board-'));
const data = join(home, 'data');
let browser;
let up;

function run(...args) {
  const text = execFileSync(tally, [...args, '--json', '--data-dir', data, '--clock', clock], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(text);
}

function line(id, at, output) {
  const usage = { input_tokens: 3, cache_read_input_tokens: 1000, output_tokens: output };
  const message = { id, model: 'claude-opus-4-6', usage };
  return JSON.stringify({ type: 'assistant', sessionId: 's', uuid: `u-${id}`, requestId: `r-${id}`, timestamp: at, message });
}

/** Transcripts of one person; where the real ones lie beside the checkout, they are those of `ann`. */
function transcripts() {
  const ours = join(home, 'bob');
  mkdirSync(ours);
  writeFileSync(join(ours, 'a.jsonl'), `${line('m1', '2026-02-10T10:00:00Z', 20)}\n${line('m2', '2026-02-11T10:00:00Z', 7)}\n`);
  const shared = process.env.TALLY_SHARED_DATA ?? join(root, '../shared/data');
  const spotter = join(shared, 'samples/claude_code/spotter');
  return { bob: [ours, 2_033], ...(existsSync(spotter) && { ann: [spotter, 79_708_804] }) };
}

/** Tries until it holds; a page that never comes true fails with the last reason. */
async function until(what, holds) {
  const end = Date.now() + 60_000;
  let last;
  do {
    last = await holds().catch((error) => error);
    if (last === true) return;
    await new Promise((later) => setTimeout(later, 100));
  } while (Date.now() < end);
  assert.fail(`${what}: ${last}`);
}

const owner = () => JSON.parse(readFileSync(join(data, 'owner.json'), 'utf8'));

async function start() {
  up = spawn(tally, ['up', '--data-dir', data, '--clock', clock], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  await until('tally up is ready', async () => owner().pid === up.pid && (await fetch(`${owner().control}/readyz`)).ok);
}

/** Rows of the board, name → tokens. */
async function board(page) {
  const rows = await page.locator('#rows tr').all();
  const row = async (it) => [await it.locator('th a').innerText(), Number(await it.locator('.c-tokens data').getAttribute('value'))];
  return Object.fromEntries(await Promise.all(rows.map(row)));
}

async function post(subject, output) {
  const usage = { source: 'curl', subject, id: `call of ${subject}`, tool: 'curl', occurred_at: clock, model: 'claude-opus-4-6', output };
  const answer = await fetch(`${owner().collector}/v1/usage`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ events: [usage] }) });
  assert.equal(answer.status, 200, await answer.text());
}

/** From now on keeps what the tokens of `name` show, frame by frame, without their unit. */
function watch(name) {
  const cell = () => [...document.querySelectorAll('#rows tr')].find((row) => row.querySelector('th a').innerText === name).querySelector('.c-tokens');
  const shown = window.shown = [];
  const keep = () => shown.push(parseFloat(cell().innerText));
  keep();
  new MutationObserver(keep).observe(document.body, { subtree: true, childList: true, characterData: true });
}

before(async () => {
  mkdirSync(shots, { recursive: true });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (up && up.exitCode === null) {
    const ended = new Promise((done) => up.once('exit', done));
    up.kill('SIGINT');
    await ended;
  }
  rmSync(home, { recursive: true, force: true });
});

test('transcripts become ranks on the board, which goes on by itself', { timeout: 300_000 }, async () => {
  const expected = {};
  for (const [person, [directory, tokens]] of Object.entries(transcripts())) {
    const receipt = run('import', 'claude-code', directory, '--person', person);
    assert.equal(receipt.usage.total, tokens, `receipt of ${person}`);
    expected[person] = tokens;
  }
  const shown = run('top').rows.map(({ person, tokens }) => [person, tokens]);
  assert.deepEqual(Object.fromEntries(shown), expected);

  await start();
  const { page, outside, errors } = await open(browser, { viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
  await until('the board shows them', async () => {
    await page.goto(owner().web);
    assert.deepEqual(await board(page), expected);
    return true;
  });
  await page.screenshot({ path: join(shots, 'board.png') });

  await post('carol', 1_000_000_000);
  await until('the open page shows what was posted, without being loaded again', async () => {
    assert.deepEqual(await board(page), { carol: 1_000_000_000, ...expected });
    return true;
  });
  await page.screenshot({ path: join(shots, 'board-live.png') });

  await page.getByRole('link', { name: 'bob' }).click();
  await page.waitForURL(/\/people\//);
  assert.equal(await page.locator('h1').innerText(), 'bob');
  await page.screenshot({ path: join(shots, 'person.png'), fullPage: true });
  assert.deepEqual([outside, errors], [[], []]);
});

test('a number that changes never leaves what it was and what it is', { timeout: 60_000 }, async () => {
  const { page, outside, errors } = await open(browser, { viewport: { width: 1280, height: 900 } });
  // Frames lag behind, as on a busy machine.
  await page.addInitScript(() => {
    const draw = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (frame) => draw((now) => frame(now - 1_000));
  });
  await page.goto(owner().web);
  await page.evaluate(watch, 'bob');
  await post('bob', 1_000);
  const shown = () => page.evaluate(() => window.shown);
  await until('bob has more', async () => (await shown()).at(-1) === 3.03);
  const between = (await shown()).filter((thousands) => thousands !== 2.03 && thousands !== 3.03);
  assert.ok(between.length > 0, 'it counts over');
  assert.deepEqual(between.filter((thousands) => !(thousands > 2.03 && thousands < 3.03)), []);
  assert.deepEqual([outside, errors], [[], []]);
});
