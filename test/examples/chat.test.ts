/** The main job on real input: two browser tabs chat, the plot moves, Ctrl-C drains. */
import { type Browser, chromium, type Page } from 'playwright-core';
import WebSocket from 'ws';
import { type Child, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { findProgram } from '../support/programs';
import { testWith } from '../support/requires';
import { next, until } from '../support/until';

expectNoFdLeaks();

const browserPath = findProgram('chromium', 'chromium-browser', 'google-chrome');
const withBrowser = testWith(browserPath, 'Chromium');

let server: Child;
let url: string;

beforeEach(async () => {
  server = runTs('examples/chat.ts', { env: { PORT: '0' } });
  [, url] = (await server.printed(/open (http:\S+)/)) as unknown as [string, string];
});

afterEach(async () => {
  server.kill('SIGKILL');
  await server.exit();
});

async function join(browser: Browser, name: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(url);
  await page.fill('#name', name);
  await page.click('#join button');
  await page.waitForSelector('#say:not([hidden])');
  return page;
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const hears = (page: Page, text: string): Promise<unknown> =>
  page.waitForSelector(`#log >> text=${text}`, { timeout: 10_000 });

/** The pixels of the first curve, as one string. */
const pixels = (page: Page): Promise<string> =>
  page.evaluate('document.querySelector("canvas").toDataURL()') as Promise<string>;

withBrowser('two tabs chat with each other, the figures move, and Ctrl-C closes both', async () => {
  const browser = await chromium.launch({
    executablePath: browserPath as string,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  try {
    const ada = await join(browser, 'Ada');
    const grace = await join(browser, 'Grace');
    await say(ada, 'Hello Grace, are you there?');
    await hears(grace, 'Ada: Hello Grace, are you there?');
    await say(grace, '<b>Yes</b> & well, 你好 😀');
    await hears(ada, 'Grace: <b>Yes</b> & well, 你好 😀');
    expect(await ada.textContent('#people')).toBe('here: Ada, Grace');

    await until(async () => (await ada.textContent('#connections')) === '2');
    const before = await pixels(ada);
    await until(async () => (await pixels(ada)) !== before);
    await say(ada, 'one more, for the curve');
    await until(async () => Number(await ada.textContent('#messagesPerSecond')) > 0);

    server.kill('SIGINT');
    for (const page of [ada, grace]) {
      await page.waitForSelector('text=disconnected (1001: the server stops)');
    }
    expect(await server.exit()).toEqual({ code: 0, signal: null });
  } finally {
    await browser.close();
  }
});

test('without a browser: a `ws` client joins, speaks and hears', async () => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat`);
  const heard: { type: string; text?: string }[] = [];
  socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString())));
  await next(socket, 'open');
  socket.send(JSON.stringify({ type: 'join', name: 'Ada' }));
  socket.send(JSON.stringify({ type: 'say', text: ' hello ' }));
  await until(() => heard.some(({ type }) => type === 'said'));
  await until(() => heard.some(({ type }) => type === 'figures'));
  expect(heard.filter(({ type }) => type !== 'figures')).toEqual([
    { type: 'welcome', people: [], history: [] },
    { type: 'you', name: 'Ada' },
    { type: 'joined', name: 'Ada', people: ['Ada'] },
    { type: 'said', name: 'Ada', text: 'hello', at: expect.any(Number) },
  ]);
  const closed = next<[number, Buffer]>(socket, 'close');
  server.kill('SIGINT');
  expect((await closed).map(String)).toEqual(['1001', 'the server stops']);
  expect(await server.exit()).toEqual({ code: 0, signal: null });
});

test.each([
  'no JSON',
  '{"type":"say","text":"not joined"}',
  '{"type":"join"}',
  '{"type":"join","name":""}',
])('a client that sends %s is refused', async (text) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat`);
  await next(socket, 'open');
  socket.send(text);
  expect((await next<[number]>(socket, 'close'))[0]).toBe(1008);
});

test('the page is served, and nothing else', async () => {
  const page = await fetch(url);
  expect(page.headers.get('content-security-policy')).toMatch("default-src 'self'");
  expect(await page.text()).toMatch('<title>epoll-ffi chat</title>');
  for (const [path, status] of [
    ['/page.js', 200],
    ['/style.css', 200],
    ['/../package.json', 404],
    ['/room.ts', 404],
  ] as const) {
    expect((await fetch(url + path)).status).toBe(status);
  }
  expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(405);
});

test('a port that is taken is one clear line', async () => {
  const second = runTs('examples/chat.ts', { env: { PORT: new URL(url).port } });
  expect(await second.exit()).toEqual({ code: 1, signal: null });
  expect(second.stderr).toMatch(
    /^cannot listen: bind EADDRINUSE: address already in use 127\.0\.0\.1:\d+ \(set PORT to another one\)\n$/,
  );
  const third = runTs('examples/chat.ts', { env: { PORT: 'eighty' } });
  expect((await third.exit()).code).toBe(1);
  expect(third.stderr).toMatch(/^cannot listen: .*"port".*NaN\n$/);
});
