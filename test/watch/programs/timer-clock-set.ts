/** Prints the first two records of a timer; run by timer-fd.test.ts under strace. */
import { type TimerExpiry, TimerFd } from '../../../src/watch/sources/timer-fd';

const told: TimerExpiry[] = [];
const timer = new TimerFd({ clock: 'realtime', at: Date.now() + 5, cancelOnSet: true });
timer.on('timeout', (expiry) => {
  told.push(expiry);
  if (told.length < 2) return;
  timer.close();
  console.log(JSON.stringify(told));
});
