// Drives served pages in a real browser: node pages.mjs URL [DIRECTORY FOR SCREENSHOTS]
// Ends with 0 when every check holds; says which does not otherwise.
import { mkdir } from "node:fs/promises";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const [base, artifacts = "artifacts"] = process.argv.slice(2);
if (!base) throw new Error("say which URL to drive: node pages.mjs http://127.0.0.1:8080");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
const failures = [];
const check = (holds, what) => { if (!holds) failures.push(what); };

await mkdir(artifacts, { recursive: true });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function open(size, colorScheme, javaScriptEnabled = true) {
  const phone = size === "phone";
  const context = await browser.newContext({
    viewport: sizes[size], colorScheme, javaScriptEnabled, deviceScaleFactor: phone ? 3 : 2, hasTouch: phone, reducedMotion: "no-preference",
  });
  const page = await context.newPage();
  page.on("request", (request) => check(request.url().startsWith(base), `a request left the origin: ${request.url()}`));
  page.on("console", (line) => check(line.type() !== "error" || /status of (404|503)/.test(line.text()), `the console says: ${line.text()}`));
  page.on("pageerror", (error) => check(false, `the script failed: ${error.message}`));
  return { context, page };
}

async function accessible(page, name) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  for (const { id, impact, nodes } of violations.filter(({ impact }) => ["serious", "critical", "moderate"].includes(impact))) {
    check(false, `${name}: axe finds ${impact} ${id} at ${nodes.slice(0, 3).map((node) => `${node.target} (${node.failureSummary?.split("\n")[1]?.trim()})`).join("; ")}`);
  }
}

async function fits(page, name) {
  const spill = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(spill <= 0, `${name}: the page is ${spill} px wider than the screen`);
}

async function look(page, name, path, options = {}) {
  await page.goto(base + path, { waitUntil: "networkidle" });
  await page.screenshot({ path: `${artifacts}/${name}.png`, fullPage: options.full ?? false });
  await accessible(page, name);
  await fits(page, name);
}

async function looks(size, colorScheme) {
  const { context, page } = await open(size, colorScheme);
  const name = `${size}-${colorScheme}`;
  await look(page, `${name}-board`, "/");
  const first = page.locator("#rows tr").first();
  if (await first.count()) {
    await page.locator("#sums").scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${artifacts}/${name}-board-end.png` });
    const href = await first.locator("th a").getAttribute("href");
    await look(page, `${name}-person`, href, { full: true });
    await look(page, `${name}-person-models`, `${href}?split=model&days=90`);
    await look(page, `${name}-search`, "/?q=an");
  }
  await look(page, `${name}-me`, "/me");
  await look(page, `${name}-missing`, "/nowhere");
  await context.close();
}

// A person is found, opened, said to be oneself and found again on the board: by keyboard, with or without the script.
async function journey(javaScriptEnabled) {
  const { context, page } = await open("desktop", "light", javaScriptEnabled);
  const say = (what) => `${javaScriptEnabled ? "with" : "without"} JavaScript: ${what}`;
  await page.goto(base);
  const name = (await page.locator("#rows tr th a").nth(1).textContent()).trim();
  await page.locator("#q").focus();
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await page.waitForURL(/[?&]q=/);
  check((await page.locator("#rows tr th a").first().textContent()).trim() === name, say(`searching ${name} finds somebody else`));
  await page.locator("#rows tr th a").first().press("Enter");
  await page.waitForURL(/\/people\//);
  check((await page.locator("h1").textContent()).trim() === name, say("the link of a row leads to another person"));
  await page.getByRole("button", { name: "This is me" }).press("Enter");
  await page.waitForURL(/around=/);
  check((await page.locator("tr.marked th a").textContent()).trim() === name, say("my rank is not marked on the board"));
  const windows = page.getByRole("navigation", { name: "Window" });
  await windows.getByRole("link", { name: "7 days" }).press("Enter");
  await page.waitForURL(/window=7d/);
  check((await page.locator("caption").textContent()).includes("last 7 days"), say("the window does not change"));
  const next = page.getByRole("link", { name: /^Next/ });
  if (await next.count()) {
    const before = await page.locator("#rows tr").first().getAttribute("id");
    await next.press("Enter");
    await page.waitForURL(/page=2/);
    check((await page.locator("#rows tr").first().getAttribute("id")) !== before, say("the next page is the same page"));
  }
  await context.close();
}

for (const size of Object.keys(sizes)) for (const scheme of ["light", "dark"]) await looks(size, scheme);
for (const script of [true, false]) await journey(script);
await browser.close();

if (failures.length > 0) {
  console.error([...new Set(failures)].join("\n"));
  process.exit(1);
}
console.log(`every check holds; screenshots are in ${artifacts}`);
