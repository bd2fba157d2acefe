/** A pool of processes in the hands of an operator: TERM, INT, HUP, a second TERM, and a pool that is killed. */
import { connect } from 'node:net';
import { type Child, runTs } from '../support/child';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';

expectNoFdLeaks();

async function start(deadlineMs = 10_000): Promise<{ child: Child; port: number; pids: number[] }> {
  const args = [`${deadlineMs}`];
  const child = runTs('test/cluster/programs/prefork-process.ts', { args });
  const [, port] = await child.printed(/listening at (\d+)/);
  return { child, port: Number(port), pids: pidsIn(child) };
}

const pidsIn = ({ stdout }: Child): number[] =>
  [...stdout.matchAll(/online \d (\d+)/g)].map(([, pid]) => Number(pid));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains all processes, and ends with 0',
  async (signal) => {
    const { child, port, pids } = await start();
    const peer = await client(port);
    peer.write('hold\n');
    await receive(peer, 5);
    const rest = receiveAll(peer);
    child.kill(signal);
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect((await rest).toString()).toBe('');
    expect(child.stdout).toMatch(/exit . 0 null true\nexit . 0 null true\nstopped\n$/);
    expect(pids.some(isAlive)).toBe(false);
    expect(await isRefused(port)).toBe(true);
  },
);

test('a signal to the whole group, as of Ctrl-C, drains too', async () => {
  const { child, pids } = await start();
  for (const pid of pids) process.kill(pid, 'SIGINT');
  for (const pid of pids) process.kill(pid, 'SIGHUP');
  child.kill('SIGINT');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/exit . 0 null true\nexit . 0 null true\nstopped\n$/);
});

test('a second SIGTERM kills what does not end', async () => {
  const { child, port, pids } = await start(100_000);
  const peer = await client(port);
  // A question that is not whole: it is never answered, and never ends.
  peer.on('error', () => {});
  peer.write('never\n');
  await until(async () => peer.bytesWritten === 6);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  child.kill('SIGTERM');
  child.kill('SIGINT');
  child.kill('SIGTERM');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/exit . null SIGKILL true\nexit . null SIGKILL true\nstopped\n$/);
});

test('SIGHUP replaces all processes', async () => {
  const { child, port, pids } = await start();
  child.kill('SIGHUP');
  await until(() => pidsIn(child).length === 4 && !pids.some(isAlive));
  expect(await isRefused(port)).toBe(false);
  child.kill('SIGTERM');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout.match(/exit . 0 null true/g)).toHaveLength(4);
});

test('SIGTERM in the middle of a reload', async () => {
  const { child, pids } = await start();
  child.kill('SIGHUP');
  child.kill('SIGTERM');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/stopped\n$/);
  expect(child.stderr).toBe('');
  expect(pids.some(isAlive)).toBe(false);
});

test('SIGTERM to one process drains it alone, and it is replaced', async () => {
  const { child, pids } = await start();
  process.kill(pids[0] as number, 'SIGTERM');
  await until(() => pidsIn(child).length === 3);
  expect(child.stdout).toMatch(/exit . 0 null false/);
  expect(isAlive(pids[1] as number)).toBe(true);
  child.kill('SIGTERM');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});

test('the processes of a pool that is killed end by themselves', async () => {
  const { child, port, pids } = await start();
  child.kill('SIGKILL');
  await until(() => !pids.some(isAlive));
  expect(await isRefused(port)).toBe(true);
});
