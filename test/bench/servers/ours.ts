/**
 * The echo server on our loop. Words as arguments: `edge` for edge-triggered, `deadlines` for all there
 * are, of which none passes here. Prints its port.
 */
import { TcpServer } from '../../../src';
import { answerMemory } from './held-memory';

const words = new Set(process.argv.slice(2));
const HOUR_MS = 3_600_000;
const deadlines = {
  idleTimeoutMs: HOUR_MS,
  writeTimeoutMs: HOUR_MS,
  lifetimeMs: HOUR_MS,
  minReadRate: { bytesPerSecond: 1, windowMs: HOUR_MS },
};

const server = new TcpServer({
  port: 0,
  trigger: words.has('edge') ? 'edge' : 'level',
  ...(words.has('deadlines') ? deadlines : {}),
  handler: {
    onData(connection, chunk) {
      connection.write(chunk);
    },
  },
});
console.log(server.port);
answerMemory(() => server.connections.size);
