/**
 * Wait for the end of a process that is not our child, without asking again and again whether it
 * still exists.
 *
 * A pidfd is readable once its process has ended, and stays with that process: when another process
 * gets the number, neither the event nor `kill` goes to it.
 *
 *   run    sleep 10 & npx ts-node examples/wait-for-process.ts $!
 *   see    that it waits, then the end of the process; how it ended, if the kernel says (Linux 6.15)
 *   end    by itself, or Ctrl-C
 */
import { PidFd, SystemError } from '../src';

const pid = Number(process.argv[2]);

try {
  const start = performance.now();
  const source = new PidFd(pid);
  source.on('exit', ({ code, signal }) => {
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    const how = signal ?? (code === null ? 'unknown' : `code ${code}`);
    console.log(`process ${pid} has ended after ${seconds} s: ${how}`);
  });
  console.log(`waiting for process ${pid}`);
} catch (error) {
  if (!(error instanceof SystemError || error instanceof RangeError)) throw error;
  console.log(error.message);
  process.exitCode = 1;
}
