/** Runs the examples of clients as their headers say. */
import { createServer, type Server, type Socket } from 'node:net';
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next } from '../support/until';

expectNoFdLeaks();

let server: Server;
let port: number;

/** What a server of node:net does with each client. */
async function listening(onSocket: (socket: Socket) => void): Promise<void> {
  server = createServer({ allowHalfOpen: true }, onSocket).listen(0, '127.0.0.1');
  await next(server, 'listening');
  port = (server.address() as { port: number }).port;
}

afterEach(() => server.close());

const start = (): ReturnType<typeof runTs> =>
  runTs('examples/tcp-client.ts', { env: { PORT: String(port) } });

test('tcp-client: what is typed goes to the server, and its answers come back', async () => {
  await listening((socket) => socket.pipe(socket));
  const child = start();
  child.process.stdin?.write('hello\n');
  await child.printed(/^hello\n$/);
  const rest = 'more\n'.repeat(1_000_000);
  child.process.stdin?.end(rest);
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout === `hello\n${rest}`).toBe(true);
  expect(child.stderr).toBe(`connected to 127.0.0.1:${port}\n`);
});

test('tcp-client: ends with the server, though more could be typed', async () => {
  await listening((socket) => socket.end('goodbye\n'));
  const child = start();
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toBe('goodbye\n');
});

test('tcp-client: a server that is not there, and one that resets', async () => {
  await listening((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const child = start();
  child.process.stdin?.write('hello\n');
  expect(await child.exit()).toEqual({ code: 1, signal: null });
  expect(child.stderr).toMatch(/recv ECONNRESET/);
  server.close();
  const late = start();
  expect(await late.exit()).toEqual({ code: 1, signal: null });
  expect(late.stderr).toBe(`connect ECONNREFUSED: connection refused 127.0.0.1:${port}\n`);
});
