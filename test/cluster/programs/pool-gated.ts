/**
 * A reactor that answers each tag with its number, and that fails, waits or spins when the shared words of
 * its test say so: see {@link WORD}.
 */
import { workerData } from 'node:worker_threads';
import type { Reactor } from '../../../src/cluster/reactors/reactor';
import { TcpServer } from '../../../src/net/server/tcp-server';

/** The words, by number. */
export const WORD = {
  /** 1: `start` throws when it has made its server. */
  fails: 0,
  /** 1: the module does not finish loading, and a reactor that gets `block` does not go on. */
  gate: 1,
  /** 1: the next reactor that accepts spins for ever, and sets this to 2. */
  spins: 2,
  /** How many reactors wait in `block`. */
  blocked: 3,
} as const;

function waitAtGate(words: Int32Array): void {
  Atomics.wait(words, WORD.gate, 1);
}

// Only in a reactor: the test imports this file, too.
const words = (workerData as { data?: Int32Array } | null)?.data;
if (words instanceof Int32Array) waitAtGate(words);

export function start(reactor: Reactor<Int32Array, 'exit' | 'block'>): void {
  const { data, listener } = reactor;
  const server = new TcpServer({ listener });
  server.on('connection', (connection) => {
    if (Atomics.compareExchange(data, WORD.spins, 1, 2) === 1) for (;;);
    // An answer is owed until the client has it, and closes.
    connection.on('shutdown', () => {});
    connection.on('data', (chunk) => void connection.write(`${reactor.index} ${chunk}\n`));
  });
  reactor.on('message', (request) => {
    if (request === 'exit') process.exit(7);
    Atomics.add(data, WORD.blocked, 1);
    waitAtGate(data);
  });
  if (Atomics.load(data, WORD.fails) === 1) throw new Error('bad by now');
}
