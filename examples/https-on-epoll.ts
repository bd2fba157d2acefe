/**
 * HTTPS by node:https, on our connections: a library that takes sockets runs on this loop.
 *
 * `FdDuplex` makes a stream of a connection, and a server of Node's takes the stream for an accepted
 * socket: `emit('connection', stream)`. The same goes for `node:tls`, for `ws`, for a mail server.
 *
 *   run    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
 *            -subj /CN=localhost -keyout key.pem -out cert.pem
 *          HOST=127.0.0.1 PORT=8443 npx ts-node examples/https-on-epoll.ts
 *          (KEY and CERT name other files)
 *   type   curl --cacert cert.pem --data hello https://localhost:8443/echo
 *   see    hello, encrypted on the way; and here a line about each request
 *   end    Ctrl-C
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { FdDuplex, TcpServer } from '../src';

const https = createServer({
  key: readFileSync(process.env['KEY'] ?? 'key.pem'),
  cert: readFileSync(process.env['CERT'] ?? 'cert.pem'),
});
https.on('request', (request, response) => {
  console.log(`${request.method} ${request.url}`);
  request.pipe(response);
});
https.on('tlsClientError', (error) => console.log(`no TLS: ${error.message}`));

const tcp = new TcpServer({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 8443),
});
tcp.on('connection', (connection) => {
  https.emit('connection', new FdDuplex(connection));
});
console.log(`listening at https://${tcp.address.address}:${tcp.port}`);

process.on('SIGINT', () => tcp.destroy());
