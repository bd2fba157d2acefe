/** Answers that are sent before their request has come whole. */
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client, receive, receiveAll } from '../../support/client';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

const HEAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n';

test('shutdown waits for the rest of a body whose answer was sent, and then closes', async () => {
  let closed = 0;
  const tcp = destroyLater(new TcpServer({ port: 0 }));
  serveHttp(tcp, { keepAliveTimeout: 600_000 }, (_request, response) => {
    response.on('close', () => {
      closed += 1;
    });
    response.end('early');
  });
  const socket = await client(tcp.port);
  socket.write(`${HEAD}hello`);
  await until(() => closed === 1);
  await receive(socket, 8);
  const outcome = tcp.shutdown({ deadlineMs: 50_000 });
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(tcp.connections.size).toBe(1);
  const rest = receiveAll(socket);
  socket.write('world');
  await rest;
  expect(await outcome).toEqual({ ended: 1, cut: 0 });
});
