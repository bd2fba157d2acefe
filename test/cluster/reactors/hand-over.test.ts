/** Connections that change their reactor. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { ReactorPool } from '../../../src/cluster';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

jest.setTimeout(60_000);
expectNoFdLeaks();

let pool: ReactorPool;
let messages: unknown[];

beforeEach(async () => {
  messages = [];
  pool = new ReactorPool({
    module: join(__dirname, '../programs/hand-over.ts'),
    threads: 2,
    listen: { port: 0 },
    accept: 'single',
  });
  pool.on('message', (message) => messages.push(message));
  await pool.start();
});

afterEach(() => pool.stop({ deadlineMs: 0 }));

/** A client, and all that it has received so far. */
async function client(): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(pool.port as number);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, text: () => text };
}

test('a connection goes to and fro, with the bytes that were read too early', async () => {
  const { socket, text } = await client();
  socket.write('one');
  await until(() => text() === '0 one\n');
  socket.write('go 1\ntwo');
  await until(() => text() === '0 one\nfrom 0\n1 two\n');
  socket.write('three');
  await until(() => text().endsWith('1 three\n'));
  socket.write('go 0\n');
  await until(() => text().endsWith('from 1\n'));
  socket.write('four');
  await until(() => text().endsWith('0 four\n'));
  expect(messages).toEqual([
    [true, -1],
    [true, -1],
  ]);
  const { reactors } = await pool.stats();
  expect(reactors.map((stats) => stats?.connections)).toEqual([1, 0]);
  socket.destroy();
});

test('it is refused while bytes wait to be sent, and then stays', async () => {
  const { socket } = await client();
  socket.pause();
  socket.write('flood 1\n');
  await until(() => messages.length === 1);
  expect(messages).toEqual(['ERR_NOT_DETACHABLE']);
  expect((await pool.stats()).connections).toBe(1);
  socket.destroy();
});

test('to a reactor that there is not, it is refused and stays', async () => {
  const { socket, text } = await client();
  socket.write('go 7\n');
  await until(() => messages.length === 1);
  expect(messages).toEqual(['ERR_OUT_OF_RANGE']);
  socket.write('still here');
  await until(() => text() === '0 still here\n');
  socket.destroy();
});

test('to a reactor that is down, it waits for the one that comes', async () => {
  const { socket, text } = await client();
  const isOnline = new Promise((resolve) => pool.once('online', resolve));
  await pool.workerAt(1)?.terminate();
  socket.write('go 1\nback');
  await isOnline;
  await until(() => text() === 'from 0\n1 back\n');
  socket.destroy();
});
