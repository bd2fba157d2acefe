/** A server, and a connection to it as a stream. */
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import type { FdDuplexOptions } from '../../../src/net/duplex/options';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { client } from '../../support/client';
import { until } from '../../support/until';

export let server: TcpServer;

beforeEach(() => {
  server = new TcpServer({ port: 0 });
});

afterEach(async () => {
  server.destroy();
  await until(() => server.connections.size === 0);
});

/** Listen with other options than the default ones. */
export function serve(options: Partial<TcpServerOptions>): void {
  server.destroy();
  server = new TcpServer({ port: 0, ...options });
}

export async function connected(
  options: FdDuplexOptions = {},
  peerOptions: { allowHalfOpen?: boolean } = {},
): Promise<{
  connection: TcpConnection;
  stream: FdDuplex;
  peer: Awaited<ReturnType<typeof client>>;
}> {
  const made = new Promise<{ connection: TcpConnection; stream: FdDuplex }>((resolve) => {
    server.once('connection', (connection) => {
      resolve({ connection, stream: new FdDuplex(connection, options) });
    });
  });
  const peer = await client(server.port, peerOptions);
  return { ...(await made), peer };
}
