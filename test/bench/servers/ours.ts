/** The echo server on our loop; `edge` as an argument for edge-triggered. Prints its port. */
import { TcpServer } from '../../../src';
import { answerMemory } from './held-memory';

const server = new TcpServer({
  port: 0,
  trigger: process.argv[2] === 'edge' ? 'edge' : 'level',
  handler: {
    onData(connection, chunk) {
      connection.write(chunk);
    },
  },
});
console.log(server.port);
answerMemory(() => server.connections.size);
