/**
 * An interview question: a writable socket reports EPOLLOUT without end. When to watch for it?
 *
 * Four answers, each with the same work: messages echoed one after another, a block larger than the
 * socket's buffer, and nothing to do for a while. The figures are the calls of epoll_wait(2)
 * that returned events, and the calls of epoll_ctl(2).
 *
 *   run    npx ts-node examples/write-readiness.ts        (MESSAGES=500 is the default)
 *   see    (a) wakes all the time, though there is nothing to do; (b) wakes twice for a message, and
 *          calls epoll_ctl(2) twice; (c) wakes once, and calls it for the large block only; (d) never
 *          calls it
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, EventLoop, TcpServer } from '../src';

const MESSAGES = Number(process.env['MESSAGES'] ?? 500);
const BLOCK = Buffer.alloc(16 * 1024 * 1024, 'x');
const IDLE_MS = 100;

const ANSWERS: [name: string, options: ConnectionOptions][] = [
  ['(a) always', { trigger: 'level', writeStrategy: 'always' }],
  ['(b) on demand', { trigger: 'level', writeStrategy: 'on-demand' }],
  ['(c) send first', { trigger: 'level', writeStrategy: 'send-first' }],
  ['(d) edge', { trigger: 'edge' }],
];

/** Read `count` bytes. */
async function take(socket: Socket, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    left -= chunk.length;
  }
}

async function measure(options: ConnectionOptions): Promise<string[]> {
  const loop = new EventLoop();
  const server = new TcpServer({ port: 0, loop, maxQueuedBytes: 2 * BLOCK.length, ...options });
  server.on('connection', (connection) => {
    connection.on('data', (chunk) => connection.write(chunk.length > 1 ? chunk : BLOCK));
  });
  const socket = connect(server.port, '127.0.0.1');
  const exchange = async (): Promise<void> => {
    socket.write('hello');
    await take(socket, 5);
  };
  await exchange();

  let before = loop.stats();
  const since = (): string => {
    const { batches, controls } = before;
    before = loop.stats();
    return `${before.batches - batches} wake-ups, ${before.controls - controls} epoll_ctl`;
  };
  for (let count = 0; count < MESSAGES; count += 1) await exchange();
  const messages = since();
  socket.write('B');
  await take(socket, BLOCK.length);
  // The server may still have to notice that all is sent; the answer to one more comes after that.
  await exchange();
  const block = since();
  await new Promise((done) => setTimeout(done, IDLE_MS));
  const idle = since();
  socket.destroy();
  server.destroy();
  loop.close();
  return [messages, block, idle];
}

async function main(): Promise<void> {
  const head = [`${MESSAGES} messages`, '16 MiB and a message', `${IDLE_MS} ms of nothing`];
  const row = (name: string, cells: string[]): string =>
    name.padEnd(16) + cells.map((cell) => cell.padEnd(34)).join('');
  console.log(row('', head));
  for (const [name, options] of ANSWERS) console.log(row(name, await measure(options)));
}

void main();
