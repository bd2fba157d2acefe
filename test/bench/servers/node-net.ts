/** The echo server on node:net. Prints its port. */
import { type AddressInfo, createServer } from 'node:net';
import { answerMemory } from './held-memory';

let connections = 0;
const server = createServer({ noDelay: true }, (socket) => {
  connections += 1;
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('error', () => socket.destroy());
  socket.on('close', onClose);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  console.log((server.address() as AddressInfo).port);
});

function onClose(): void {
  connections -= 1;
}

answerMemory(() => connections);
