/** Runs the examples of clients as their headers say. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { type Child, runTs } from '../support/child';
import { client, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { sha } from '../support/sha';
import { next, until } from '../support/until';

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

describe('tcp-proxy', () => {
  let child: Child;
  async function proxy(): Promise<number> {
    child = runTs('examples/tcp-proxy.ts', { env: { PORT: '0', TARGET_PORT: String(port) } });
    return Number((await child.printed(/listening at .*:(\d+)/))[1]);
  }
  async function end(): Promise<void> {
    child.kill('SIGINT');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
  }

  test('passes all bytes on, both ways, and each end by itself', async () => {
    await listening((socket) => {
      // The answer begins after the end of the question.
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('end', () => socket.end(Buffer.concat(chunks).reverse()));
    });
    const through = await proxy();
    const sent = randomBytes(20_000_000);
    const peers = await Promise.all([1, 2, 3].map(() => client(through)));
    for (const peer of peers) peer.end(sent);
    const answers = await Promise.all(peers.map(receiveAll));
    expect(answers.map(sha)).toEqual(Array(3).fill(sha(Buffer.from(sent).reverse())));
    await child.printed(/20000000 bytes there, 20000000 back/);
    await end();
  }, 240_000);

  test('stops who sends too fast for the other side, and waits for the end of a conversation', async () => {
    let sender: Socket | undefined;
    const size = 300_000_000;
    await listening((socket) => {
      sender = socket;
      const chunk = Buffer.alloc(100_000);
      let left = size / chunk.length;
      const fill = (): void => {
        while (left-- > 0) if (!socket.write(chunk)) return void socket.once('drain', fill);
        socket.end();
      };
      fill();
    });
    const through = await proxy();
    const peer = await client(through);
    peer.pause();
    let [last, unchanged] = [0, 0];
    await until(() => {
      const written = sender?.bytesWritten ?? 0;
      unchanged = written === last && written > 0 ? unchanged + 1 : 0;
      last = written;
      return unchanged === 200;
    });
    // What the buffers of the kernel hold, and not all of it in the proxy.
    expect(last).toBeLessThan(100_000_000);
    child.kill('SIGINT');
    let received = 0;
    peer.on('data', (bytes) => {
      received += bytes.length;
    });
    peer.resume();
    await next(peer, 'end');
    expect(received).toBe(size);
    peer.end();
    expect(await child.exit()).toEqual({ code: 0, signal: null });
  }, 240_000);

  test('cuts the client if there is no target, or if it resets', async () => {
    await listening((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const through = await proxy();
    const peer = await client(through);
    peer.write('hello');
    peer.resume();
    await next(peer, 'close');
    await child.printed(/target: recv ECONNRESET/);
    server.close();
    await next(server, 'close');
    expect(await receiveAll(await client(through))).toHaveLength(0);
    await child.printed(/connect ECONNREFUSED/);
    await end();
  });
});
