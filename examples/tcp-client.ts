/**
 * A TCP client: standard input goes to a server, and its answers to standard output.
 *
 * Neither side is read faster than the other takes it, so a file of any size goes through.
 *
 *   run    HOST=127.0.0.1 PORT=7000 npx ts-node examples/tcp-client.ts   (tcp-echo.ts listens there)
 *   type   a line
 *   see    the line comes back
 *   end    Ctrl-D, and the server's end; or the server's end alone
 */
import { connect, type TcpConnection } from '../src';

const { stdin, stdout } = process;

async function main(): Promise<void> {
  const connection = await connect({
    host: process.env['HOST'] ?? '127.0.0.1',
    port: Number(process.env['PORT'] ?? 7000),
    connectTimeoutMs: 10_000,
  });
  console.error(`connected to ${connection.remoteAddress}:${connection.remotePort}`);
  receive(connection);
  send(connection);
}

function receive(connection: TcpConnection): void {
  connection.on('data', (chunk) => {
    // The view is overwritten by the next bytes, and a stream keeps its chunks: a copy.
    if (stdout.write(Buffer.from(chunk))) return;
    connection.pause();
    stdout.once('drain', () => connection.resume());
  });
  connection.on('error', fail);
  connection.on('close', () => stdin.destroy());
}

function send(connection: TcpConnection): void {
  stdin.on('data', (chunk) => {
    if (!connection.write(chunk)) stdin.pause();
  });
  connection.on('drain', () => stdin.resume());
  stdin.on('end', () => connection.end());
}

function fail(error: Error): void {
  console.error(error.message);
  process.exitCode = 1;
}

main().catch(fail);
