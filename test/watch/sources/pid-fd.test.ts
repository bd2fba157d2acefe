import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { release } from 'node:os';
import { EventLoop } from '../../../src/loop/event-loop';
import { waiterThreads } from '../../../src/loop/waiter-pool';
import { PidFd } from '../../../src/watch/sources/pid-fd';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { marker } from '../../support/marker';
import { testWith } from '../../support/requires';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const [major = 0, minor = 0] = release().split('.').map(Number);
const tellsAll = major > 6 || (major === 6 && minor >= 15) ? release() : null;

const sources: PidFd[] = [];
const children: ChildProcess[] = [];
const strangers: number[] = [];
afterEach(async () => {
  for (const source of sources.splice(0)) source.close();
  for (const pid of strangers.splice(0)) kill(pid);
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await next(child, 'close');
  }
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function watchPid(pid: number, options = {}): PidFd {
  const source = new PidFd(pid, options);
  sources.push(source);
  return source;
}

/** A child that ends when its stdin does, as `end` says. */
function child(end = ''): ChildProcess & { pid: number } {
  const process = spawn('sh', ['-c', `read line; ${end}`], { stdio: ['pipe', 'ignore', 'ignore'] });
  children.push(process);
  return process as ChildProcess & { pid: number };
}

/** A process that is not our child, and lives on when its parent has ended. */
async function stranger(): Promise<number> {
  const parent = spawn('sh', ['-c', 'sleep 60 >&- 2>&- & echo $!']);
  const [output] = await next<[Buffer]>(parent.stdout, 'data');
  await next(parent, 'close');
  const pid = Number(output);
  strangers.push(pid);
  return pid;
}

describe('exit', () => {
  test('is emitted for a child, and then the source is closed', async () => {
    const process = child();
    const source = watchPid(process.pid);
    const log: unknown[] = [];
    source.on('exit', ({ pid }) => log.push(pid, source.closed));
    source.on('close', () => log.push('close'));
    process.stdin?.end();
    await next(source, 'close');
    expect(log).toEqual([process.pid, false, 'close']);
    expect([source.pid, source.fd]).toEqual([process.pid, -1]);
  });

  const whenTold = testWith(tellsAll, 'Linux 6.15');
  const outcomes = [
    ['exit 0', { code: 0, signal: null }],
    ['exit 77', { code: 77, signal: null }],
    ['kill -TERM $$', { code: null, signal: 'SIGTERM' }],
    ['kill -KILL $$', { code: null, signal: 'SIGKILL' }],
    ['kill -ABRT $$', { code: null, signal: 'SIGABRT' }],
  ] as const;
  for (const [end, outcome] of outcomes) {
    whenTold(`emits how a child ended, and leaves it to Node: ${end}`, async () => {
      const process = child(end);
      const exited = next(watchPid(process.pid), 'exit');
      const closed = next(process, 'close');
      process.stdin?.end('\n');
      expect(await exited).toEqual([{ pid: process.pid, ...outcome }]);
      expect(await closed).toEqual([outcome.code, outcome.signal]);
    });
  }

  test('is emitted for a process that is not our child', async () => {
    const pid = await stranger();
    const source = watchPid(pid);
    const exited = next<[{ pid: number; code: null; signal: string | null }]>(source, 'exit');
    process.kill(pid, 'SIGKILL');
    const [{ signal, ...rest }] = await exited;
    expect(rest).toEqual({ pid, code: null });
    // Who reaped it, and when, is not in our hands.
    expect([null, 'SIGKILL']).toContain(signal);
  });

  test('is emitted to a late listener, when the process can no longer be waited for', async () => {
    const process = child();
    const source = watchPid(process.pid);
    const closed = next(process, 'close');
    process.stdin?.end();
    await closed;
    const [{ pid }] = await next<[{ pid: number }]>(source, 'exit');
    expect(pid).toBe(process.pid);
  });

  test('without a listener does not keep the loop busy', async () => {
    const loop = new EventLoop();
    const process = child();
    const source = watchPid(process.pid, { loop });
    await until(() => waiterThreads().every(({ state }) => state === 'waiting'));
    process.stdin?.end();
    await next(process, 'close');
    await until(() => loop.stats().events > 0);
    // Each marker is an event; a busy loop would have another one with each.
    await marker(loop, 10);
    expect(loop.stats().events).toBeLessThan(15);
    expect(source.closed).toBe(false);
    source.close();
    loop.close();
  });

  test('is the one record of an iterator', async () => {
    const process = child();
    const source = watchPid(process.pid);
    process.stdin?.end();
    const seen: number[] = [];
    for await (const { pid } of source) seen.push(pid);
    expect(seen).toEqual([process.pid]);
  });
});

describe('kill', () => {
  test('sends a signal by name or number, SIGTERM if none is given', async () => {
    for (const [signal, expected] of [
      [undefined, 'SIGTERM'],
      ['SIGUSR1', 'SIGUSR1'],
      [9, 'SIGKILL'],
    ] as const) {
      const process = child();
      const source = watchPid(process.pid);
      const closed = next(process, 'close');
      expect(source.kill(signal)).toBe(true);
      expect(await closed).toEqual([null, expected]);
    }
  });

  test('returns false when the process has ended, is reaped, and was emitted', async () => {
    const process = child();
    const source = watchPid(process.pid);
    process.stdin?.end();
    await next(process, 'close');
    expect(source.kill()).toBe(false);
    await next(source, 'exit');
    expect(source.closed).toBe(true);
    expect(source.kill()).toBe(false);
  });

  test('refuses what is no signal, and a source that was closed before', async () => {
    const source = watchPid(await stranger());
    for (const wrong of [0, 65, 1.5, 'SIGNOPE', 'sigterm', 'toString']) {
      expect(() => source.kill(wrong as NodeJS.Signals)).toThrow(RangeError);
    }
    expect(() => source.kill(null as never)).toThrow(TypeError);
    source.close();
    expect(() => source.kill()).toThrow(expect.objectContaining({ code: 'ERR_SOURCE_CLOSED' }));
  });
});

describe('what is refused', () => {
  test('a process that does not exist', async () => {
    const process = child();
    process.stdin?.end();
    await next(process, 'close');
    expect(() => new PidFd(process.pid)).toThrow(
      expect.objectContaining({
        code: 'ESRCH',
        message: `pidfd_open ESRCH: there is no process ${process.pid}`,
      }),
    );
  });

  test('a thread that is not the leader of its process', () => {
    const thread = readdirSync('/proc/self/task')
      .map(Number)
      .find((id) => id !== process.pid);
    expect(() => new PidFd(thread as number)).toThrow(/is a thread, not a process/);
  });

  test('what is no process id, and a wrong option', () => {
    for (const wrong of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      expect(() => new PidFd(wrong)).toThrow(RangeError);
    }
    expect(() => new PidFd('1' as never)).toThrow(TypeError);
    expect(() => new PidFd(process.pid, { kill: true } as never)).toThrow(/PidFd.*kill/);
  });
});
