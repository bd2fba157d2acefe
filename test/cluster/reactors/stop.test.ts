/** A pool that stops while it starts, restarts, or has clients that wait. */
import { connect, type Socket } from 'node:net';
import { ReactorPool } from '../../../src/cluster';
import { ACCEPT_STRATEGIES } from '../../../src/cluster/accept/ticket';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';
import { WORD } from '../programs/pool-gated';
import { addressOf, holder, program, started } from './rig';

jest.setTimeout(60_000);
expectNoFdLeaks();

const MODULE = program('pool-gated.ts');
const THREADS = 2;
const CLIENTS = 8;

let words: Int32Array;
beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
});

test.each([0, 1])('stop during start: both resolve, after %d turns', async (turns) => {
  const pool = new ReactorPool({
    module: MODULE,
    threads: THREADS,
    listen: { port: 0 },
    data: words,
  });
  const start = pool.start();
  for (let turn = 0; turn < turns; turn += 1) await new Promise((done) => setImmediate(done));
  expect(await pool.stop({ deadlineMs: 0 })).toEqual({ ended: 0, cut: 0 });
  await start;
  expect([pool.workerAt(0), pool.workerAt(1)]).toEqual([null, null]);
  await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_POOL_STATE' });
});

test('stop during a restart cuts the clients of the reactor that was replaced, too', async () => {
  const pool = await started({ module: MODULE, threads: 1, data: words });
  const held = await holder(pool);
  const former = pool.workerAt(0);
  const online = next(pool, 'online');
  const restart = pool.restart({ deadlineMs: 50_000 });
  await online;
  let hasEnded = false;
  void former?.ended.then(() => {
    hasEnded = true;
  });
  expect(await pool.stop({ deadlineMs: 0 })).toEqual({ ended: 0, cut: 1 });
  expect(hasEnded).toBe(true);
  expect(await held.ended).toMatch(/end|ECONNRESET/);
  await restart;
});

test('stop by a listener of "online" during a restart waits for both reactors', async () => {
  const pool = await started({ module: MODULE, threads: 1, data: words });
  const held = await holder(pool);
  const former = pool.workerAt(0);
  const stopped = new Promise((resolve) => {
    pool.once('online', () => resolve(pool.stop({ deadlineMs: 0 })));
  });
  const restart = pool.restart({ deadlineMs: 50_000 });
  expect(await stopped).toEqual({ ended: 0, cut: 1 });
  expect(former?.isRunning).toBe(false);
  expect(await held.ended).toMatch(/end|ECONNRESET/);
  await restart;
});

test('the longest deadline there is cuts no client', async () => {
  const pool = await started({ module: MODULE, threads: 1, data: words });
  const { socket, ended } = await holder(pool);
  const stopped = pool.stop({ deadlineMs: 0x7fff_ffff });
  socket.write('still');
  const [answer] = await next<[Buffer]>(socket, 'data');
  expect(answer.toString()).toBe('0 still\n');
  socket.end();
  expect(await ended).toBe('end');
  expect(await stopped).toEqual({ ended: 1, cut: 0 });
});

test.each(ACCEPT_STRATEGIES)('stop answers the clients in the backlog, %s', async (accept) => {
  const pool = await started({ module: MODULE, threads: THREADS, accept, data: words });
  Atomics.store(words, WORD.gate, 1);
  expect(pool.broadcast('block')).toBe(THREADS);
  await until(() => Atomics.load(words, WORD.blocked) === THREADS);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => client(pool)));
  const stopped = pool.stop({ deadlineMs: 50_000 });
  Atomics.store(words, WORD.gate, 0);
  Atomics.notify(words, WORD.gate);
  const answers = await Promise.all(clients.map(({ answer }) => answer));
  for (const answer of answers) expect(answer).toMatch(/^[01] tag\n$/);
  expect(await stopped).toEqual({ ended: CLIENTS, cut: 0 });
});

/** Connected, with its tag sent; `answer` is all that it gets. */
async function client(pool: ReactorPool): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(addressOf(pool));
  let text = '';
  const answer = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) socket.end();
    });
    socket.on('close', () => resolve(text));
  });
  await next(socket, 'connect');
  socket.write('tag');
  return { socket, answer };
}
