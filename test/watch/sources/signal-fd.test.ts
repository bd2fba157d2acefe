import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { sigqueue } from '../../../src/sys/signal';
import { SignalFd } from '../../../src/watch/sources/signal-fd';
import { ROOT, runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next } from '../../support/until';

expectNoFdLeaks();

const SIGUSR1 = 10;
const NONE = '0000000000000000';

function ownMask(): string | undefined {
  return /SigBlk:\s*(\S+)/.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1];
}

test('a signal sent to the process is emitted with its sender and value, and does not act', async () => {
  const child = runTs('test/watch/programs/signal-source.ts');
  await child.printed(/blocked 0000000000000200/);
  const pid = child.process.pid as number;
  const sender = { signal: 'SIGUSR1', number: SIGUSR1, pid: process.pid, uid: process.getuid?.() };

  process.kill(pid, 'SIGUSR1');
  const [killed = ''] = await child.printed(/^\{.*"code":0,.*\}$/m);
  expect(JSON.parse(killed)).toMatchObject({ ...sender, code: 0, value: 0 });

  expect(sigqueue(pid, SIGUSR1, -42)).toBe(0);
  const [queued = ''] = await child.printed(/^\{.*"code":-1,.*\}$/m);
  expect(JSON.parse(queued)).toMatchObject({ ...sender, code: -1, value: -42 });

  // Threads that are started now inherit the mask.
  child.process.stdin?.write('later\n');
  await child.printed(/more threads/);
  for (let value = 1; value <= 20; value += 1) {
    expect(sigqueue(pid, SIGUSR1, value)).toBe(0);
    await child.printed(new RegExp(`"value":${value},`));
  }

  child.process.stdin?.write('close\n');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(`unblocked ${NONE}`);
  // libuv empties the mask of the children of node:child_process.
  expect(child.stdout).toMatch(new RegExp(`child SigBlk:\\s*${NONE}`));
  // The signal that was pending at the close was dropped: it would have started the debugger.
  expect(child.stderr).toBe('');
});

test('a signal that other threads would take is refused, and nothing is blocked', () => {
  const before = ownMask();
  for (const signals of [['SIGUSR2'], ['SIGHUP', 'SIGTERM'], [40]] as const) {
    expect(() => new SignalFd(signals)).toThrow(
      expect.objectContaining({
        code: 'ERR_SIGNAL_NOT_BLOCKED',
        message: expect.stringMatching(
          new RegExp(`^${signals.join(', ')} sent to this process would go to its threads \\d+`),
        ),
      }),
    );
  }
  expect(ownMask()).toBe(before);
});

test('signals that cannot be waited for, and what is no signal, are refused', () => {
  for (const wrong of [['SIGKILL'], ['SIGSTOP'], ['SIGSEGV'], [7], [], [0], [65], ['SIGNOPE']]) {
    expect(() => new SignalFd(wrong as NodeJS.Signals[])).toThrow(RangeError);
  }
  for (const wrong of ['SIGUSR1', null, undefined, [null], [{}]]) {
    expect(() => new SignalFd(wrong as never)).toThrow(TypeError);
  }
  expect(() => new SignalFd(['SIGUSR1'], { target: 'all' as never })).toThrow(
    /option "target" of SignalFd/,
  );
  expect(() => new SignalFd(['SIGUSR1'], { target: 'thread' })).toThrow(
    /"loop" argument must be a loop with waiter: 'inline'/,
  );
});

test('a signal sent to a thread is emitted there, on a loop that waits in it', async () => {
  const worker = new Worker(join(ROOT, 'test/watch/programs/signal-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
  });
  const [report] = await next(worker, 'message');
  expect(report).toEqual({
    told: [
      expect.objectContaining({ signal: 'SIGUSR2', number: 12, code: -6, pid: process.pid }),
      expect.objectContaining({ signal: null, number: 40, code: -6, pid: process.pid }),
      expect.objectContaining({ signal: null, number: 40, code: -6, pid: process.pid }),
    ],
    failed: 'too late',
    maskBefore: ownMask(),
    maskAfter: ownMask(),
  });
  await next(worker, 'exit');
});
