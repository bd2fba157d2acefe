/**
 * The WebSocket server for many connections: the listener is watched `IN | ONESHOT` and re-armed after
 * each accept round, connections are watched `IN | RDHUP | ET`, HUP closes and removes them, every
 * complete message of a segment is handled, and a client that never reads meets a write deadline.
 *
 *   run    PORT=7002 npx ts-node examples/websocket-echo.ts
 *   then   npx wscat -c ws://127.0.0.1:7002, or `new WebSocket(...)` in a browser's console
 *   see    every message comes back; here, a line for each client that connects or leaves
 *   end    Ctrl-C: every client gets a close frame (1001)
 */
import { WebSocketServer } from '../src';

const server = new WebSocketServer({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 7002),
});

server.on('connection', (socket) => {
  const peer = `${socket.remoteAddress}:${socket.connection.remotePort}`;
  console.log(`${peer} has come, ${server.clients.size} in all`);
  socket.on('message', (data, isBinary) => {
    if (!socket.send(data, { binary: isBinary })) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  socket.on('error', (error) => console.log(`${peer}: ${error.message}`));
  socket.on('close', (code, reason) => console.log(`${peer} has gone: ${code} ${reason}`));
});

console.log(`listening at ws://${server.address.address}:${server.port}`);
process.once('SIGINT', () => server.close());
