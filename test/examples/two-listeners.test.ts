/** Runs the example of two listeners and a timer as its header says. */
import { get } from 'node:http';
import { type Child, runTs } from '../support/child';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();
jest.setTimeout(120_000);

async function start(idleMs: number): Promise<{ child: Child; pages: number; lines: number }> {
  const env = { PORT: '0', LINE_PORT: '0', IDLE_MS: String(idleMs) };
  const child = runTs('examples/two-listeners.ts', { env });
  const [, pages, lines] = await child.printed(/pages at .*:(\d+)\/, lines at .*:(\d+)/, 100_000);
  return { child, pages: Number(pages), lines: Number(lines) };
}

/** Somebody at the line server. */
async function user(
  port: number,
  name: string,
): Promise<{
  say(line: string): Promise<string>;
  socket: Awaited<ReturnType<typeof client>>;
}> {
  const socket = await client(port);
  expect((await receive(socket, 13)).toString()).toBe('who are you?\n');
  socket.write(`${name}\n`);
  const hello = `hello, ${name}\n`;
  expect((await receive(socket, hello.length)).toString()).toBe(hello);
  const say = async (line: string): Promise<string> => {
    socket.write(`${line}\n`);
    return (await receive(socket, name.length + line.length + 3)).toString();
  };
  return { say, socket };
}

function page(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

test('both listeners are served; a handler that throws is printed, and stops no other user', async () => {
  const { child, pages, lines } = await start(600_000);
  const [ada, bob] = [await user(lines, 'ada'), await user(lines, 'bob')];
  expect(await ada.say('one')).toBe('ada: one\n');
  ada.socket.write('boom\n');
  await child.printed(/seen: the handler of ada has thrown/, 100_000);
  expect(await bob.say('two')).toBe('bob: two\n');
  expect(await ada.say('three')).toBe('ada: three\n');
  expect(await page(pages)).toMatch(/^2 users\nada, silent for \d+ s\nbob, silent for \d+ s\n$/);
  child.kill('SIGINT');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});

test('the pass after each round removes silent users, and the page lists the others', async () => {
  const { child, pages, lines } = await start(300);
  // It says nothing, not even its name.
  const all = receiveAll(await client(lines));
  await child.printed(/ is removed: read ETIMEDOUT: no bytes for 300 ms \(sweep\)/, 100_000);
  expect((await all).toString()).toBe('who are you?\n');
  expect(await page(pages)).toBe('0 users\n');
  child.kill('SIGINT');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});
