/**
 * Handlers that throw; run by uncaught.test.ts. Three fds are ready at once, the handlers of the
 * first two throw; a timer throws too. Prints what was served and what was caught, in order.
 */
import { Waker } from '../../../src/epoll/waker';
import { EventLoop } from '../../../src/loop/event-loop';
import { WheelTimer } from '../../../src/loop/timer-wheel';
import { EPOLLIN } from '../../../src/sys/constants';

const loop = new EventLoop();
const log: string[] = [];

/** What follows on the error of this name; so that no time has to be guessed. */
const NEXT: Record<string, () => void> = {
  b: () => loop.timers.schedule(timer, 20),
  timer: () => setImmediate(() => loop.close()),
};
process.on('uncaughtException', ({ message }) => {
  log.push(`caught ${message}`);
  NEXT[message]?.();
});

for (const name of ['a', 'b', 'c']) {
  const waker = new Waker();
  waker.wake();
  const registration = loop.add(waker.fd, EPOLLIN, {
    onEvents() {
      waker.drain();
      log.push(`served ${name}`);
      if (name !== 'c') throw new Error(name);
      registration.remove();
      waker.close();
    },
    onRevoked() {
      log.push(`revoked ${name}`);
      throw new Error(`revoked ${name}`);
    },
  });
}
const timer = new WheelTimer({
  onTimer() {
    log.push('timer');
    throw new Error('timer');
  },
});
process.on('exit', () => console.log(JSON.stringify(log)));
