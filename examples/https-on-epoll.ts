/**
 * HTTPS by node:https, on our connections, with deadlines and a shutdown that loses no answer.
 *
 * Below it, an `FdDuplex` makes a stream of each connection, and Node's server uses it as a socket.
 * You can do the same with other libraries: `server.emit('connection', new FdDuplex(connection))`
 * serves `node:tls`, `ws`, or a mail server.
 *
 *   run    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
 *            -subj /CN=localhost -keyout key.pem -out cert.pem
 *          HOST=127.0.0.1 PORT=8443 npx ts-node examples/https-on-epoll.ts
 *          (KEY and CERT name other files)
 *   type   curl --cacert cert.pem --data hello https://localhost:8443/echo
 *   see    hello, encrypted on the way; and here a line about each request
 *   end    Ctrl-C: answers under way are finished
 */
import { readFileSync } from 'node:fs';
import { serveHttps, TcpServer } from '../src';

const tcp = new TcpServer({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 8443),
  writeTimeoutMs: 30_000,
  minReadRate: { bytesPerSecond: 100 },
});
const secret = {
  key: readFileSync(process.env['KEY'] ?? 'key.pem'),
  cert: readFileSync(process.env['CERT'] ?? 'cert.pem'),
};
const https = serveHttps(tcp, secret, (request, response) => {
  console.log(`${request.method} ${request.url} for ${request.socket.remoteAddress}`);
  request.pipe(response);
});
https.on('tlsClientError', (error) => console.log(`no TLS: ${error.message}`));
console.log(`listening at https://${tcp.address.address}:${tcp.port}`);

process.once('SIGINT', () => void tcp.shutdown({ deadlineMs: 10_000 }));
