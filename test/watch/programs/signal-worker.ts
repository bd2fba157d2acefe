/**
 * Sends signals to its own thread and takes them from a SignalFd; run as a Worker by
 * signal-fd.test.ts.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import { tgkill } from '../../../src/sys/signal';
import { SignalFd } from '../../../src/watch/sources/signal-fd';

const RT_SIGNAL = 40;
const SIGUSR2 = 12;
const mask = (): string | undefined =>
  /SigBlk:\s*(\S+)/.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1];

async function main(): Promise<void> {
  const maskBefore = mask();
  const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: 5 });
  const options = { target: 'thread', loop } as const;
  let failed = '';
  try {
    const signal = AbortSignal.abort(new Error('too late'));
    new SignalFd(['SIGUSR2'], { ...options, signal }).close();
  } catch (error) {
    failed = (error as Error).message;
  }
  const source = new SignalFd(['SIGUSR2', RT_SIGNAL], options);
  const thread = Number(basename(readlinkSync('/proc/thread-self')));
  // Standard signals are not queued, real-time signals are.
  for (const signal of [SIGUSR2, SIGUSR2, RT_SIGNAL, RT_SIGNAL]) {
    tgkill(process.pid, thread, signal);
  }
  const told: unknown[] = [];
  for await (const info of source) {
    told.push(info);
    if (told.length === 3) break;
  }
  loop.close();
  parentPort?.postMessage({ told, failed, maskBefore, maskAfter: mask() });
}

void main();
