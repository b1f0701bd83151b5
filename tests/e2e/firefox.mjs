// Drives one Firefox over WebDriver BiDi for the tests: a command per line of JSON on standard input, its result per line
// on standard output. Ends with its input. Usage: node firefox.mjs <path of firefox> <pitch of the fake microphone, Hz>
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';

const [executablePath, pitch] = process.argv.slice(2);
const probe = readFileSync(fileURLToPath(new URL('probe.js', import.meta.url)), 'utf8');

const browser = await puppeteer.launch({
  browser: 'firefox',
  executablePath,
  headless: true,
  extraPrefsFirefox: {
    'intl.accept_languages': 'es-MX, es',
    'media.navigator.streams.fake': true,
    'media.navigator.permission.disabled': true,
    'media.navigator.audio.fake_frequency': Number(pitch),
    'media.autoplay.default': 0,
    'media.cubeb.force_mock_context': true, // a machine without a sound card: AudioContext would never run
  },
});

const COMMAND_MS = 24_000;
let context = null, page = null, problems = [];
const selector = (testid) => `[data-testid="${testid}"]`;
const visible = (testid, timeout) => page.waitForSelector(selector(testid), { visible: true, timeout });

async function close() {
  if (!context) return [];
  const seen = problems;
  await context.close();
  context = page = null;
  problems = [];
  return seen;
}

const commands = {
  ready: async () => true,
  open: async ({ url }) => {
    await close();
    context = await browser.createBrowserContext();
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (line) => { if (line.type() === 'error') problems.push(line.text()); });
    await page.evaluateOnNewDocument(probe);
    await page.setViewport({ width: 1280, height: 800 });
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    return true;
  },
  reload: async () => { await page.reload({ waitUntil: 'domcontentloaded' }); return true; },
  click: async ({ testid, timeout_ms }) => { await (await visible(testid, timeout_ms)).click(); return true; },
  fill: async ({ testid, text }) => { await (await visible(testid, 20_000)).type(text); return true; },
  evaluate: async ({ expression }) => (await page.evaluate(expression)) ?? null,
  screenshot: async ({ path }) => { await page.screenshot({ path }); return true; },
  close,
};

// A page may never answer (a promise that stays open); its driver always does.
function inTime(work) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error('no answer in time')), COMMAND_MS); });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { do: name, ...details } = JSON.parse(line);
    answer = { result: await inTime(commands[name](details)) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
await browser.close();
