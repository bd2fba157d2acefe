/** Pools for the tests of one file, each stopped after its test, and clients of them. */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { ReactorPool, type ReactorPoolOptions } from '../../../src/cluster';

const pools: ReactorPool[] = [];

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.stop({ deadlineMs: 0 });
});

export const program = (name: string): string => join(__dirname, '../programs', name);

export function stopLater(pool: ReactorPool): ReactorPool {
  pools.push(pool);
  return pool;
}

export async function started(options: Partial<ReactorPoolOptions> = {}): Promise<ReactorPool> {
  const module = program('pool-tags.ts');
  const pool = stopLater(new ReactorPool({ module, threads: 2, listen: { port: 0 }, ...options }));
  await pool.start();
  return pool;
}

/** Where the pool listens, for node:net. */
export function addressOf(pool: ReactorPool): NetConnectOpts {
  const [address] = pool.addresses;
  if (typeof address === 'string') return { path: address };
  return { port: address?.port as number, host: '127.0.0.1' };
}

/** Send `tag`, and resolve with the answer, when the connection has closed again. */
export function ask(pool: ReactorPool, tag: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(addressOf(pool), () => socket.write(tag));
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) socket.end();
    });
    socket.on('close', () => resolve(text));
  });
}

/** A client that is connected to some reactor: its number, and what ends it. */
export async function holder(pool: ReactorPool): Promise<{
  socket: Socket;
  index: number;
  ended: Promise<string>;
}> {
  const socket = connect(addressOf(pool), () => socket.write('hold'));
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.once('close', () => resolve('end'));
  });
  const text = await new Promise<string>((resolve) => {
    socket.once('data', (chunk) => resolve(chunk.toString()));
  });
  return { socket, index: Number(text.split(' ')[0]), ended };
}
