/** A reactor that echoes. */
import type { Reactor } from '../../../src/cluster/reactors/reactor';
import { TcpServer } from '../../../src/net/server/tcp-server';

export function start(reactor: Reactor): void {
  const server = new TcpServer({ listener: reactor.listener });
  server.on('connection', (connection) => {
    connection.on('data', (chunk) => void connection.write(chunk));
  });
}
