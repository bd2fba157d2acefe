/**
 * HTTP on a loop that blocks its thread while there is nothing to do: it must not sleep over what a
 * handler does in a tick, a promise or an immediate. Its longest wait is beyond the limit of a test.
 */

import type { RequestListener } from 'node:http';
import { serveHttp } from '../../../src/http/server/serve-http';
import { EventLoop } from '../../../src/loop/event-loop';
import { WatchSet } from '../../../src/loop/watch-set';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { SHUT_WR } from '../../../src/sys/constants';
import { read, write } from '../../../src/sys/io';
import { shutdown } from '../../../src/sys/socket';
import { fdTo } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

const forAwait: RequestListener = async (request, response) => {
  let length = 0;
  for await (const chunk of request) length += (chunk as Buffer).length;
  response.end(`<${length}>`);
};
const inImmediates: RequestListener = async (_request, response) => {
  for (let count = 0; count < 5; count += 1) await new Promise(setImmediate);
  response.end('<0>');
};

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello';

/** Send `bytes` and end our half; resolves to what came before the connection closed. */
async function ask(bytes: string, listener: RequestListener): Promise<string> {
  const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: 30_000 });
  const server = new TcpServer({ port: 0, loop });
  const closed = new Promise<void>((resolve) => {
    serveHttp(server, listener).on('connection', (socket) => {
      socket.on('close', () => {
        server.destroy();
        loop.close();
        resolve();
      });
    });
  });
  const fd = fdTo(server);
  write(fd, Buffer.from(bytes));
  shutdown(fd, SHUT_WR);
  await closed;
  // A congestion control that paces may hold the last of it back for a while.
  const chunk = Buffer.alloc(100_000);
  let answer = '';
  await until(() => {
    const count = read(fd, chunk);
    answer += chunk.toString('latin1', 0, Math.max(count, 0));
    return count === 0;
  });
  return answer;
}

test('a client that has ended its half is answered at once', async () => {
  expect(await ask(POST, forAwait)).toContain('<5>');
  expect(await ask(GET, forAwait)).toContain('<0>');
});

test('a handler that goes on in immediates goes on', async () => {
  expect(await ask(GET, inImmediates)).toContain('<0>');
});

test('a pipeline is read to its end', async () => {
  expect((await ask(GET.repeat(100), forAwait)).split('<0>')).toHaveLength(101);
});

test('two such loops in one thread do not keep each other awake', async () => {
  const loops = [1, 2].map(() => new EventLoop({ waiter: 'inline', maxInlineWaitMs: 10 }));
  for (const loop of loops) void loop.waker;
  const servers = loops.map((loop) => new TcpServer({ port: 0, loop }));
  const waits = jest.spyOn(WatchSet.prototype, 'wait');
  const blocking = (): number => waits.mock.calls.filter(([, timeoutMs]) => timeoutMs > 0).length;
  await until(() => blocking() >= 10);
  // A loop that the other one keeps awake does not block at all.
  expect(waits.mock.calls.length).toBeLessThan(5 * blocking());
  waits.mockRestore();
  for (const server of servers) server.destroy();
  for (const loop of loops) loop.close();
});
