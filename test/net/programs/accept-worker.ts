/**
 * A server with limits in a worker thread; run by accept-limits.test.ts, which terminates it. Posts
 * its port, then why it turned a client away.
 */
import { parentPort } from 'node:worker_threads';
import { TcpServer } from '../../../src/net/server/tcp-server';

const server = new TcpServer({ port: 0, maxConnectionsPerAddress: 1 });
server.on('drop', ({ reason }) => parentPort?.postMessage(reason));
parentPort?.postMessage(server.port);
