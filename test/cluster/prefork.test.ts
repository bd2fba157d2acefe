/** A pool of processes: how it starts, what it says, how it is replaced and stopped. */
import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Prefork, type PreforkOptions } from '../../src/cluster';
import { TcpServer } from '../../src/net';
import { F_DUPFD_CLOEXEC } from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import { fcntl } from '../../src/sys/io';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';
import { writeModules } from './programs/task-modules';

expectNoFdLeaks();

const MODULE = join(__dirname, 'programs/prefork-module.ts');
const { folder, pathOf } = writeModules();
const open: Prefork[] = [];

afterEach(async () => {
  for (const pool of open.splice(0)) {
    pool.kill();
    await pool.stop();
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function make(options: Partial<PreforkOptions> = {}): Prefork {
  const pool = new Prefork({
    module: MODULE,
    processes: 2,
    listen: { port: 0 },
    signals: false,
    ...options,
  });
  open.push(pool);
  return pool;
}

async function running(options: Partial<PreforkOptions> = {}): Promise<Prefork> {
  const pool = make(options);
  await pool.start();
  return pool;
}

/** One connection, one question; the answer, or the code of the error. */
function ask(port: number, question = 'ask'): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    let code = '';
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(`${question}\n`));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    socket.on('close', () => resolve(code || answer.trim() || 'no answer'));
  });
}

const pidsOf = (pool: Prefork): number[] => pool.processes.map(({ pid }) => pid).sort();

test.each(['inherited', 'reuseport'] as const)(
  'all processes serve one port (%s)',
  async (accept) => {
    const pool = await running({ accept });
    expect(pool.port).toBeGreaterThan(0);
    const answers = new Set<number>();
    await until(async () => {
      answers.add(Number(await ask(pool.port)));
      return answers.size === 2;
    });
    expect([...answers].sort()).toEqual(pidsOf(pool));
    await pool.stop();
    expect(await ask(pool.port)).toBe('ECONNREFUSED');
    expect(pool.processes).toEqual([]);
  },
);

test('messages go both ways, and statistics are sums', async () => {
  const pool = await running({ env: { ADDED: 'yes' } });
  const values: unknown[] = [];
  pool.on('message', (value, { index }) => values.push([index, value]));
  expect(pool.send(new Map([[1, 2n]]))).toBe(2);
  expect(pool.send('one', 1)).toBe(1);
  await until(() => values.length === 3);
  expect(values).toEqual(
    expect.arrayContaining([
      [0, { index: 0, of: 2, value: new Map([[1, 2n]]) }],
      [1, { index: 1, of: 2, value: new Map([[1, 2n]]) }],
      [1, { index: 1, of: 2, value: 'one' }],
    ]),
  );
  const peers = await Promise.all([1, 2, 3].map(() => client(pool.port)));
  for (const peer of peers) {
    peer.write('hold\n');
    await receive(peer, 5);
  }
  const stats = await pool.stats();
  expect(stats).toMatchObject({ connections: 3, crashes: 0 });
  expect(stats.processes.map(({ pid }) => pid).sort()).toEqual(pidsOf(pool));
  for (const { state, worker } of stats.processes) {
    expect(state).toBe('online');
    expect(worker?.residentBytes).toBeGreaterThan(1e6);
  }
  for (const peer of peers) peer.destroy();
  expect(await ask(pool.port, 'env')).toBe('yes');
});

test('stop lets connections finish, and cuts those that do not in time', async () => {
  const pool = await running({ processes: 1 });
  const stopping: unknown[] = [];
  pool.on('message', (value) => stopping.push(value));
  const peer = await client(pool.port);
  peer.write('hold\n');
  await receive(peer, 5);
  const rest = receiveAll(peer);
  const exit = next<[object]>(pool, 'exit');
  await pool.stop({ deadlineMs: 10_000 });
  expect((await rest).toString()).toBe('');
  expect((await exit)[0]).toMatchObject({ index: 0, code: 0, signal: null, isExpected: true });
  expect(stopping).toEqual(['stopping']);
  await expect(pool.reload()).rejects.toMatchObject({ code: 'ERR_PREFORK_NOT_RUNNING' });
  await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_PREFORK_NOT_RUNNING' });
});

test('a process that is blocked is killed after the deadline, and has no statistics', async () => {
  const pool = await running({ processes: 1 });
  pool.send('block');
  expect((await pool.stats()).processes[0]).toMatchObject({ state: 'online', worker: null });
  const exit = next<[object]>(pool, 'exit');
  await pool.stop({ deadlineMs: 0 });
  expect((await exit)[0]).toMatchObject({ signal: 'SIGKILL', isExpected: true });
});

/** A connection of each process, by its pid. */
async function oneOfEach(pool: Prefork): Promise<Map<number, Socket>> {
  const sockets = new Map<number, Socket>();
  await until(async () => {
    const socket = await client(pool.port);
    const pid = await ping(socket);
    if (sockets.has(pid)) socket.destroy();
    else sockets.set(pid, socket);
    return sockets.size === pool.processes.length;
  });
  return sockets;
}

async function ping(socket: Socket): Promise<number> {
  socket.write('ping\n');
  const [chunk] = await next<[Buffer]>(socket, 'data');
  return Number(chunk.toString());
}

test.each([
  ['by itself', { code: 5, signal: null }, (socket: Socket) => void socket.write('exit\n')],
  ['by an exception', { code: 1, signal: null }, (socket: Socket) => void socket.write('throw\n')],
  [
    'by SIGKILL',
    { code: null, signal: 'SIGKILL' },
    (_socket: Socket, pid: number) => void process.kill(pid, 'SIGKILL'),
  ],
])('a process that ends %s is replaced, and only its connections end', async (...one) => {
  const [, how, end] = one;
  const pool = await running();
  const sockets = await oneOfEach(pool);
  const [[pid, doomed], [otherPid, other]] = [...sockets] as [[number, Socket], [number, Socket]];
  const exit = next<[{ pid: number; index: number }]>(pool, 'exit');
  const online = next<[{ pid: number; index: number }]>(pool, 'online');
  const closed = next(
    doomed.on('error', () => {}),
    'close',
  );
  end(doomed, pid);
  const [[gone], [came]] = await Promise.all([exit, online, closed]);
  expect(gone).toEqual({ ...how, pid, index: came.index, isExpected: false });
  expect(pidsOf(pool)).toEqual([otherPid, came.pid].sort());
  expect(await ping(other)).toBe(otherPid);
  expect(await pool.stats()).toMatchObject({ crashes: 1, connections: 1 });
  other.destroy();
});

test('too many crashes in a row stop the pool, with one error', async () => {
  const restart = { maxCrashes: 3, firstPauseMs: 1 };
  const pool = await running({ processes: 1, restart });
  const error = next<[Error]>(pool, 'error');
  const stop = next(pool, 'stop');
  const exits: unknown[] = [];
  pool.on('exit', ({ code }) => exits.push(code));
  const crash = (): void => void ask(pool.port, 'exit');
  pool.on('online', crash);
  crash();
  expect((await error)[0]).toMatchObject({
    code: 'ERR_PREFORK_CRASHES',
    message: `3 crashes in a row of a process with the module ${MODULE}: none is started any more`,
  });
  await stop;
  expect(exits).toEqual([5, 5, 5]);
  expect(pool.processes).toEqual([]);
});

test.each([
  ['throws.js', 'ERR_PREFORK_MODULE', 'cannot be started: not today'],
  ['syntax.js', 'ERR_PREFORK_MODULE', 'cannot be started: Unexpected end of input'],
  ['empty.js', 'ERR_PREFORK_MODULE', 'exports no function "start"'],
  ['exits.js', 'ERR_PREFORK_START', 'has not started: it ended with code 3'],
] as const)('the module %s: start rejects with %s, and nothing is tried again', async (...one) => {
  const [name, code, reason] = one;
  const pool = make({ module: pathOf(name) });
  const exits: unknown[] = [];
  pool.on('exit', (exit) => exits.push(exit));
  const error = await pool.start().catch((thrown) => thrown);
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(`module ${pathOf(name)} ${reason}`);
  expect(exits).toHaveLength(2);
  expect(pool.processes).toEqual([]);
});

test('a pool that is stopped while it starts has stopped, and no error', async () => {
  const pool = make({ module: pathOf('never.js') });
  const starting = pool.start();
  await pool.stop();
  await starting;
  expect(pool.processes).toEqual([]);
});

test('a process that does not start in time is killed', async () => {
  const pool = make({ module: pathOf('never.js'), startTimeoutMs: 1 });
  await expect(pool.start()).rejects.toMatchObject({
    code: 'ERR_PREFORK_START',
    message: expect.stringContaining('it was killed after 1 ms (startTimeoutMs)'),
  });
});

test('an address that is taken is an error of start', async () => {
  const server = new TcpServer({ port: 0 });
  const pool = make({ listen: { port: server.port } });
  await expect(pool.start()).rejects.toMatchObject({ code: 'EADDRINUSE', port: server.port });
  server.close();
});

test('several listeners, one of them a socket that listens already', async () => {
  const server = new TcpServer({ port: 0 });
  const { port, fd } = server;
  const passed = unwrap(fcntl(fd, F_DUPFD_CLOEXEC, 3), 'fcntl');
  server.close();
  const pool = await running({ listen: [{ fd: passed }, { port: 0 }], processes: 1 });
  expect(pool.ports).toEqual([port, expect.any(Number)]);
  expect(Number(await ask(port))).toBe(pool.processes[0]?.pid);
  await pool.stop();
  expect(await ask(port)).toBe('ECONNREFUSED');
});

test.each([
  ['processes', { processes: 0 }],
  ['processes', { processes: 1_000 }],
  ['listen', { listen: {} }],
  ['accept', { accept: 'sometimes' }],
  ['accept', { accept: 'reuseport', listen: { fd: 3 } }],
  ['module', { module: '/does/not/exist.js' }],
  ['restart.maxCrashes', { restart: { maxCrashes: 0 } }],
])('the option %s is refused by name: %p', (name, options) => {
  const make = () => new Prefork({ module: MODULE, ...options } as PreforkOptions);
  expect(make).toThrow(`option "${name}" of Prefork`);
});

test('an option with the name it has in node:cluster is refused with the name it has here', () => {
  const options = { module: MODULE, exec: MODULE } as unknown as PreforkOptions;
  expect(() => new Prefork(options)).toThrow('exec: see module');
});
