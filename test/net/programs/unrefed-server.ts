/**
 * A server that is all a process has; run by tcp-server.test.ts. With the argument "unref" it must
 * not hold the process; with "hold" it must, and serves one connection after everything else ended.
 */
import { connect } from 'node:net';
import { TcpServer } from '../../../src/net/server/tcp-server';

const server = new TcpServer({ port: 0 });
if (process.argv[2] === 'unref') {
  server.unref();
} else {
  server.on('connection', (connection) => connection.end('served'));
  connect(server.port, '127.0.0.1').on('data', (chunk) => console.log(chunk.toString()));
}
