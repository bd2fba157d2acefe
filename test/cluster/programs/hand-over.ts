/**
 * A reactor of the test of hand-overs. A line is answered with the reactor's number; `go N` has the
 * connection handed to reactor N, with what came behind it as the head.
 */
import type { Reactor } from '../../../src/cluster/reactors/reactor';
import { TcpServer } from '../../../src/net/server/tcp-server';

export function start(reactor: Reactor): void {
  const server = new TcpServer({ listener: reactor.listener });
  server.on('connection', (connection) => {
    const { from } = (connection.attachment ?? {}) as { from?: number };
    if (from !== undefined) connection.write(`from ${from}\n`);
    connection.on('data', (chunk) => {
      const text = chunk.toString();
      const [line = '', rest = ''] = text.split(/\n(.*)/s);
      const [word, to] = line.split(' ');
      if (word === 'flood') connection.write(Buffer.alloc(16 * 1024 * 1024));
      if (word !== 'go' && word !== 'flood') {
        connection.write(`${reactor.index} ${line}\n`);
        return;
      }
      try {
        const head = Buffer.from(rest);
        reactor.handOver(connection, { to: Number(to), head, data: { from: reactor.index } });
        reactor.postMessage([connection.closed, connection.fd]);
      } catch (error) {
        reactor.postMessage((error as NodeJS.ErrnoException).code);
      }
    });
  });
}
