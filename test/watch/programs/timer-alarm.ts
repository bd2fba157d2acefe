/** Asks for alarm clocks as a user who may not have them; run by timer-fd.test.ts. */
import { TimerFd } from '../../../src/watch/sources/timer-fd';

const NOBODY = 65_534;
if (process.getuid?.() === 0) process.setuid?.(NOBODY);

for (const clock of ['realtime-alarm', 'boottime-alarm'] as const) {
  try {
    new TimerFd({ clock }).close();
  } catch (error) {
    const { code, errno, message } = error as NodeJS.ErrnoException;
    console.log(code, errno, message);
  }
}
