/** Ten thousand clients that never read beside one that does. */
import { EventLoop } from '../../src/loop/event-loop';
import type { TcpConnection } from '../../src/net/connection/tcp-connection';
import { TcpServer } from '../../src/net/server/tcp-server';
import { setSocketOption } from '../../src/net/socket/options';
import { RLIMIT_NOFILE } from '../../src/sys/constants';
import type { SystemError } from '../../src/sys/errno';
import { prlimit } from '../../src/sys/resource-limit';
import { runTs } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { testIf } from '../support/requires';
import { until } from '../support/until';

expectNoFdLeaks();

const limit = { soft: 0, hard: 0 };
prlimit(0, RLIMIT_NOFILE, null, limit);
/** Each process has an fd for each connection, and some for itself. */
const COUNT = Math.min(10_000, Number(limit.soft) - 500);
const GREEDY = Math.floor(COUNT / 10);
const LATER_MS = 200_000;

testIf(COUNT >= 1_000, 'an fd limit of 1,500 or more')(
  `${COUNT} of them: queues stay within their limit, an honest one is served, and a deadline cuts all`,
  async () => {
    const loop = new EventLoop();
    const maxQueuedBytes = 64 * 1024;
    const block = Buffer.alloc(4_096, 'x');
    const server = new TcpServer({ port: 0, loop, maxQueuedBytes, highWaterMark: 16 * 1024 });
    const codes: Record<string, number> = {};
    let clogged = 0;
    let beyond = 0;
    const pour = (connection: TcpConnection): void => {
      while (connection.write(block));
      clogged += 1;
    };
    server.on('connection', (connection) => {
      setSocketOption(connection.fd, 'sendBufferBytes', 4_096);
      connection.on('data', (chunk) => {
        const [word] = chunk.toString().split(' ');
        if (word === 'ping') return void connection.write(chunk);
        if (word === 'some') return pour(connection);
        // Writes on although it was told to stop.
        while (connection.writable) connection.write(block);
        if (connection.queuedBytes > maxQueuedBytes + block.length) beyond += 1;
      });
      // What the kernel took after all is replaced.
      connection.on('drain', () => {
        clogged -= 1;
        pour(connection);
      });
      connection.on('close', (error) => {
        const code = (error as SystemError | undefined)?.code ?? 'none';
        codes[code] = (codes[code] ?? 0) + 1;
      });
    });
    const honest = await client(server.port);
    let answers = 0;
    let going = true;
    const asking = (async () => {
      while (going) {
        honest.write(`ping ${answers}`);
        const text = (await receive(honest, `ping ${answers}`.length)).toString();
        if (text === `ping ${answers}`) answers += 1;
      }
    })();
    const args = [server.port, COUNT, GREEDY].map(String);
    const child = runTs('test/faults/programs/never-reading.ts', { args });
    await child.printed(/connected/, LATER_MS);
    // The greedy ones are cut by the limit of their queues, the others are clogged.
    await until(() => codes['ENOBUFS'] === GREEDY && clogged === COUNT - GREEDY, LATER_MS);
    const during = answers;
    await until(() => answers >= during + 20, LATER_MS);
    let queued = 0;
    for (const { queuedBytes } of server.connections) {
      expect(queuedBytes).toBeLessThanOrEqual(maxQueuedBytes);
      queued += queuedBytes;
    }
    expect(queued).toBeGreaterThan(0);
    expect(beyond).toBe(0);
    for (const connection of server.connections) connection.setWriteTimeout(500);
    await until(() => server.connections.size === 1, LATER_MS);
    expect(codes).toEqual({ ENOBUFS: GREEDY, ETIMEDOUT: COUNT - GREEDY });
    const after = answers;
    await until(() => answers >= after + 20, LATER_MS);
    going = false;
    await asking;
    child.process.stdin?.end();
    await child.exit();
    server.destroy();
    expect([loop.stats().watched, loop.stats().timers]).toEqual([0, 0]);
    loop.close();
  },
  300_000,
);
