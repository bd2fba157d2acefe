/** Runs the examples of what one must know of sockets and epoll, as their headers say. */
import { type Child, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

async function run(name: string): Promise<Child> {
  const child = runTs(name);
  expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
  return child;
}

test('starvation: the endless stream starves all pings; with the ready list it starves none', async () => {
  const { stdout } = await run('examples/starvation.ts');
  expect(stdout).toMatch(/^until EAGAIN: 64 MiB of the stream in .* ms, 0 of 9 pings answered\n/);
  const [, answers, bytes] =
    /ready list: (\d+) of 180 pings .* before ([\d.]+) MiB/.exec(stdout) ?? [];
  expect(answers).toBe('180');
  // A quantum is a quarter of a MiB; a ping may just have missed its turn.
  expect(Number(bytes)).toBeLessThanOrEqual(1);
}, 60_000);

test('accept-burst: accepting once leaves the rest of a burst in the queue, draining does not', async () => {
  const { stdout } = await run('examples/accept-burst.ts');
  expect(stdout).toBe(
    'accept once: 1 of 10\nanother comes: 2 of 11\nleft in the queue: 9\ndrained: 10 of 10\n',
  );
}, 60_000);

test('sendfile-offset: moved twice, parts of the file are lost', async () => {
  const { stdout } = await run('examples/sendfile-offset.ts');
  expect(stdout).toBe(
    'moved twice: abcdeklmnouvwxy, 11 lost, position 30\n' +
      'moved by sendfile: abcdefghijklmnopqrstuvwxyz, 0 lost, position 26\n' +
      'with our own offset: abcdefghijklmnopqrstuvwxyz, 0 lost, position 0\n',
  );
}, 60_000);
