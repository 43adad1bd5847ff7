// One headless Chromium per test file, and a page that may load nothing from outside the machine.
import { chromium } from 'playwright-core';

/** Starts the browser that the task runner found; the caller closes it. */
export function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
}

/**
 * A page in a context of its own. `outside` collects each request that would have left the machine (it is refused),
 * `errors` what the page's scripts threw or wrote to the console as an error.
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext(options);
  const outside = [];
  const errors = [];
  await context.route('**/*', (route) => {
    const { hostname, protocol } = new URL(route.request().url());
    const here = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname) || ['data:', 'blob:'].includes(protocol);
    if (here) return route.continue();
    outside.push(route.request().url());
    return route.abort();
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  return { page, outside, errors };
}
