/** What an idle connection holds: neither the request that was answered last, nor its answer. */
import type { Server } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client, receive } from '../../support/client';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello';

test.each([
  ['a GET', GET],
  ['a POST whose body nobody reads', POST],
  ['several that were asked ahead', GET + POST + GET],
])('%s', async (_name, asked) => {
  const held: WeakRef<object>[] = [];
  let answered = 0;
  const tcp = destroyLater(new TcpServer({ port: 0 }));
  const http: Server = serveHttp(tcp, { keepAliveTimeout: 600_000 }, (request, response) => {
    held.push(new WeakRef(request), new WeakRef(response));
    response.on('close', () => {
      answered += 1;
    });
    response.end('<0>');
  });
  const socket = await client(tcp.port);
  socket.write(asked);
  const count = asked.split('HTTP/1.1').length - 1;
  await until(() => answered === count);
  await receive(socket, 8);
  await until(() => {
    collect();
    return held.every((each) => each.deref() === undefined);
  });
  // It is open, and answers.
  socket.write(GET);
  await until(() => answered === count + 1);
  expect([tcp.connections.size, http.listening]).toEqual([1, false]);
  socket.destroy();
});
