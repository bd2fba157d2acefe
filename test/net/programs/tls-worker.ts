/**
 * A program's own tls.Server, on streams on connections, in a worker thread; run by
 * fd-duplex-tls-worker.test.ts. Echoes. Posts what happens; any message has the TCP server shut down.
 */
import { createServer, TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';

const { key, cert, how } = workerData as { key: string; cert: string; how: string };
const post = (message: unknown): void => parentPort?.postMessage(message);

const tls = createServer({ key, cert }, (socket) => socket.pipe(socket));
tls.on('tlsClientError', (error) => post({ tlsClientError: error.message }));

const tcp = new TcpServer({ port: 0, host: '127.0.0.1' });
tcp.on('connection', (connection) => {
  const stream = new FdDuplex(connection);
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = stream;
  post({ remoteAddress, remotePort, remoteFamily, localAddress, localPort });
  stream.on('close', () => post({ closed: stream.remotePort, destroyed: stream.destroyed }));
  if (how === 'server') return void tls.emit('connection', stream);
  const socket = new TLSSocket(stream, { isServer: true, key, cert });
  socket.on('error', (error) => post({ error: error.message }));
  socket.pipe(socket);
});
post({ port: tcp.port });

parentPort?.once('message', async () => {
  const outcome = await tcp.shutdown({ deadlineMs: 60_000 });
  post({ outcome });
  parentPort?.close();
});
