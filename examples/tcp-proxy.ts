/**
 * A TCP proxy: it passes bytes from each side to the other, and a slow side never fills our memory.
 *
 * `write` returns false when the other side is slow. Then the fast one is paused, its bytes stay in the
 * kernel, and TCP's window stops it, until `drain`. The end of one half is passed on (`allowHalfOpen`), and an
 * error of one side cuts the other. A side that leaves the proxy waiting is cut by its deadlines.
 *
 *   run    PORT=8080 TARGET_PORT=7000 npx ts-node examples/tcp-proxy.ts   (tcp-echo.ts listens there;
 *          HOST and TARGET_HOST for other addresses)
 *   type   nc 127.0.0.1 8080, and a line
 *   see    the line comes back through the proxy, and here how many bytes went each way
 *   end    Ctrl-C: open connections have ten seconds to finish
 */
import { connect, type TcpConnection, TcpServer } from '../src';

const { env } = process;
const DEADLINES = { idleTimeoutMs: 300_000, writeTimeoutMs: 30_000 };

const proxy = new TcpServer({
  host: env['HOST'] ?? '127.0.0.1',
  port: Number(env['PORT'] ?? 8080),
  allowHalfOpen: true,
  maxConnections: 5_000,
  ...DEADLINES,
});
proxy.on('connection', (client) => void serve(client));
console.log(`listening at ${proxy.address.address}:${proxy.port}`);

async function serve(client: TcpConnection): Promise<void> {
  // Read nothing, and see no end, before the other side is connected.
  client.pause();
  client.on('error', (error) => console.log(`client: ${error.message}`));
  // Not our conversation to end: the two have until the deadline.
  client.on('shutdown', () => {});
  try {
    const target = await connect({
      host: env['TARGET_HOST'] ?? '127.0.0.1',
      port: Number(env['TARGET_PORT'] ?? 7000),
      connectTimeoutMs: 5_000,
      allowHalfOpen: true,
      ...DEADLINES,
    });
    target.on('error', (error) => console.log(`target: ${error.message}`));
    join(client, target);
    join(target, client);
    client.on('close', () => {
      console.log(`${client.bytesRead} bytes there, ${client.bytesWritten} back`);
    });
    client.resume();
  } catch (error) {
    console.log(String(error));
    client.destroy();
  }
}

/** One of the two directions. */
function join(from: TcpConnection, to: TcpConnection): void {
  // It may have gone while the other was being made.
  if (from.closed) return to.destroy();
  from.on('data', (chunk) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('close', (error) => (error === undefined ? to.end() : to.destroy()));
}

process.once('SIGINT', () => void proxy.shutdown({ deadlineMs: 10_000 }));
