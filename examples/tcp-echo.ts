/**
 * A TCP echo server: it sends back every byte.
 *
 *   run    PORT=7000 npx ts-node examples/tcp-echo.ts
 *   then   nc 127.0.0.1 7000, and type a line
 *   see    the line comes back
 *   end    Ctrl-C: it stops listening, and ends when the last client has gone
 */
import { TcpServer } from '../src';

const server = new TcpServer({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 7000),
  idleTimeoutMs: 60_000,
});

server.on('connection', (connection) => {
  connection.on('data', (chunk) => {
    // A false from write means that the client reads slower than it sends: let it wait.
    if (!connection.write(chunk)) connection.pause();
  });
  connection.on('drain', () => connection.resume());
});

console.log(`listening at ${server.address.address}:${server.port}`);
process.once('SIGINT', () => server.close());
