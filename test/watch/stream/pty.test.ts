import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, readFileSync, readSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { TCSANOW } from '../../../src/sys/constants';
import { errno } from '../../../src/sys/errno';
import { read, setNonBlocking } from '../../../src/sys/io';
import { getWindowSize, grantpt, posixOpenpt, ptsname, unlockpt } from '../../../src/sys/pty';
import { TERMIOS_BYTES, tcgetattr, tcsetattr } from '../../../src/sys/termios';
import { Pty } from '../../../src/watch/stream/pty';
import { RawMode } from '../../../src/watch/stream/raw-mode';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter } from '../../support/fds';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { next, until } from '../../support/until';
import { runInWorker } from '../../support/worker';

expectNoFdLeaks();

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Start a program on the slave of `pty`, which becomes its controlling terminal. */
function spawnOn(pty: Pty, words: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const slave = pty.openSlave();
  const child = spawn('setsid', ['-c', ...words], {
    stdio: [slave, slave, slave],
    env: { ...process.env, ...env },
  });
  closeSync(slave);
  children.push(child);
  return child;
}

/** The program that the terminal of `shell` sends its signals to, once it runs and sleeps. */
function foregroundOf(shell: ChildProcess): string {
  const group = statOf(`${shell.pid}`).foregroundGroup;
  const { name, state } = statOf(group);
  return state === 'S' ? name : '';
}

/** See proc_pid_stat(5). The name stands in brackets, and may hold anything. */
function statOf(pid: string): { name: string; state: string; foregroundGroup: string } {
  const [, name = '', rest = ''] = /\((.*)\) (.*)$/s.exec(readProc(`${pid}/stat`)) ?? [];
  const [state = '', , , , , foregroundGroup = ''] = rest.split(' ');
  return { name, state, foregroundGroup };
}

/** Nothing of a process that has ended meanwhile. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}

/** All that the terminal shows. */
function screenOf(pty: Pty): { text: string } {
  const screen = { text: '' };
  pty.on('data', (chunk) => {
    screen.text += chunk;
  });
  return screen;
}

test('what is typed is read by the slave, and echoed; what the slave writes is shown', async () => {
  using pty = new Pty();
  const slave = closeLater(pty.openSlave());
  expect(pty.name).toMatch(/^\/dev\/pts\/\d+$/);
  expect(isatty(slave)).toBe(true);
  const screen = screenOf(pty);
  expect(pty.write('hello\n')).toBe(true);
  const line = Buffer.alloc(100);
  expect(line.toString('utf8', 0, readSync(slave, line))).toBe('hello\n');
  await until(() => screen.text === 'hello\r\n');
  writeSync(slave, 'answer\n');
  await until(() => screen.text === 'hello\r\nanswer\r\n');
});

test('the end: after the last slave is closed and all is read', async () => {
  const pty = new Pty();
  const slaves = [pty.openSlave(), pty.openSlave()];
  writeSync(slaves[0] as number, 'x'.repeat(3_000));
  for (const slave of slaves) closeSync(slave);
  const chunks: Buffer[] = [];
  for await (const chunk of pty) chunks.push(chunk);
  expect(Buffer.concat(chunks)).toHaveLength(3_000);
  expect([pty.closed, pty.fd, pty.writer.closed]).toEqual([true, -1, true]);
  expect(() => pty.openSlave()).toThrow('cannot open the slave: the Pty is closed');
});

testWith(findProgram('setsid'), 'setsid')('the programs get the new size', async () => {
  using pty = new Pty({ columns: 100, rows: 30 });
  const script =
    'stty size; trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done';
  const child = spawnOn(pty, ['sh', '-c', script]);
  const screen = screenOf(pty);
  await until(() => screen.text === '30 100\r\nready\r\n');
  expect(pty.size).toEqual({ columns: 100, rows: 30 });
  pty.resize({ columns: 65_535, rows: 1 });
  await next(child, 'exit');
  await until(() => pty.closed);
  expect(screen.text).toBe('30 100\r\nready\r\n1 65535\r\n');
  for (const columns of [-1, 65_536, Number.NaN]) {
    using other = new Pty();
    expect(() => other.resize({ columns, rows: 1 })).toThrow(RangeError);
  }
});

testWith(findProgram('setsid'), 'setsid')(
  'a shell with job control: Ctrl-C ends what runs',
  async () => {
    using pty = new Pty();
    const child = spawnOn(pty, ['sh', '-i'], { PS1: '$ ' });
    const screen = screenOf(pty);
    pty.write('echo $((6 * 7)); tty\n');
    await until(() => screen.text.includes(`42\r\n${pty.name}`));
    pty.write('sleep 1000\n');
    // Ctrl-C throws away what is typed and not yet read, and what is shown and not yet read by us:
    // so each step waits until the one before it is done.
    await until(() => foregroundOf(child) === 'sleep');
    pty.write('\x03');
    await until(() => foregroundOf(child) === 'sh' && screen.text.endsWith('$ '));
    pty.write('echo alive $((1 + 1))\n');
    await until(() => screen.text.includes('alive 2\r\n'));
    const exit = next(child, 'exit');
    pty.write('exit 7\n');
    expect(await exit).toEqual([7, null]);
  },
);

test('a program that does not read: what is typed waits, and arrives in order', async () => {
  using pty = new Pty();
  const slave = closeLater(pty.openSlave());
  const raw = new RawMode(slave);
  setNonBlocking(slave);
  const sent = Buffer.alloc(200_000);
  for (let at = 0; at < sent.length; at += 1) sent[at] = (at * 7) % 251;
  expect(pty.write(sent)).toBe(false);
  expect(pty.writer.queuedBytes).toBeGreaterThan(0);
  const drained = next(pty.writer, 'drain');
  const received: Buffer[] = [];
  let length = 0;
  while (length < sent.length) {
    const chunk = Buffer.alloc(8_192);
    const count = Math.max(0, read(slave, chunk));
    received.push(chunk.subarray(0, count));
    length += count;
    await new Promise(setImmediate);
  }
  await drained;
  expect(Buffer.concat(received).equals(sent)).toBe(true);
  raw.restore();
});

test('typing that waits when the slave goes away fails, once', async () => {
  using pty = new Pty();
  const slave = closeLater(pty.openSlave());
  const raw = new RawMode(slave);
  const failed = next<[NodeJS.ErrnoException]>(pty, 'error');
  const told: unknown[] = [];
  pty.write(Buffer.alloc(200_000), (error) => told.push(error));
  raw.restore();
  closeNow(slave);
  const [error] = await failed;
  expect(error.code).toBe('EIO');
  await until(() => told.length > 0);
  expect(told).toEqual([error]);
  expect(pty.closed).toBe(true);
});

describe('raw mode', () => {
  test('keys come at once, without echo; restore brings the lines back', async () => {
    using pty = new Pty();
    const slave = closeLater(pty.openSlave());
    const before = new Uint8Array(TERMIOS_BYTES);
    tcgetattr(slave, before);
    const screen = screenOf(pty);
    const key = Buffer.alloc(8);
    {
      using _ = new RawMode(slave);
      pty.write('\x03');
      expect([readSync(slave, key), key[0]]).toEqual([1, 3]);
    }
    const after = new Uint8Array(TERMIOS_BYTES);
    tcgetattr(slave, after);
    expect(after).toEqual(before);
    pty.write('x');
    await until(() => screen.text === 'x');
  });

  test('works in a worker', async () => {
    expect(await runInWorker('rawMode')).toBe('key k');
  });

  test('what is not a terminal is refused', () => {
    const fd = counter();
    expect(() => new RawMode(fd)).toThrow(/^tcgetattr ENOTTY/);
    expect(() => new RawMode(-1)).toThrow(RangeError);
    const modes = new Uint8Array(TERMIOS_BYTES);
    expect(tcgetattr(fd, modes)).toBe(-errno.ENOTTY);
    expect(tcsetattr(fd, TCSANOW, modes)).toBe(-errno.ENOTTY);
  });
});

test('the raw calls say what is not a master', () => {
  const fd = counter();
  expect(grantpt(fd)).toBeLessThan(0);
  expect([-errno.EINVAL, -errno.ENOTTY]).toContain(unlockpt(fd));
  expect(ptsname(fd, new Uint8Array(64))).toBe(-errno.ENOTTY);
  expect(getWindowSize(fd, { columns: 0, rows: 0 })).toBe(-errno.ENOTTY);
  const master = closeLater(posixOpenpt(2));
  expect(ptsname(master, new Uint8Array(3))).toBe(-errno.ERANGE);
  expect(ptsname(master, new Uint8Array(32))).toBeGreaterThan('/dev/pts/'.length);
});

test('wrong options are named', () => {
  expect(() => new Pty({ columns: 0 })).toThrow(/option "columns" of Pty/);
  expect(() => new Pty({ rows: 70_000 })).toThrow(/option "rows" of Pty/);
});

test('works in a worker', async () => {
  expect(await runInWorker('pty')).toBe('through a terminal');
});
