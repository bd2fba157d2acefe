/** A reactor that answers each tag with its number, and does what a message asks for. */
import type { Reactor } from '../../../src/cluster/reactors/reactor';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';

type Request = 'throw' | 'exit' | 'spin' | 'fill' | { echo: unknown };

export function start(reactor: Reactor<{ unix?: boolean } | undefined, Request>): void {
  const { listener } = reactor;
  const isUnix = reactor.data?.unix === true;
  const server = isUnix ? new UnixServer({ listener }) : new TcpServer({ listener });
  server.on('connection', (connection) => {
    // An answer is owed until the client has it, and closes.
    connection.on('shutdown', () => {});
    connection.on('data', (chunk) => {
      if (chunk.toString() === 'quit') connection.end();
      else connection.write(`${reactor.index} ${chunk}\n`);
    });
  });
  reactor.on('message', (request) => {
    if (request === 'exit') process.exit(7);
    if (request === 'spin') for (;;);
    if (request === 'fill') fill();
    if (request === 'throw') {
      setImmediate(() => {
        throw new Error('on purpose');
      });
    }
    if (typeof request === 'object') setTimeout(() => reactor.postMessage(request.echo), 1);
  });
}

function fill(): void {
  const kept: unknown[] = [];
  for (;;) kept.push(new Array(100_000).fill(kept.length));
}
