/**
 * An echo server in a process with few fds; run by tcp-server.test.ts under `ulimit -n`. Prints its
 * port, then every error of the acceptor, and at SIGTERM how much CPU time it used.
 */
import { TcpServer } from '../../src/net/tcp-server';

const server = new TcpServer({
  port: 0,
  handler: { onData: (connection, chunk) => void connection.write(chunk) },
});
server.on('error', (error) => console.log(`error ${(error as Error & { code: string }).code}`));
console.log(`port ${server.port}`);
process.on('SIGTERM', () => {
  const { user, system } = process.cpuUsage();
  console.log(`cpu ${Math.round((user + system) / 1000)}`);
  process.exit();
});
