/**
 * Proof of absence without a sleep: a second event is sent behind the one that must not come, and the test
 * waits for that second one.
 */
import { defaultLoop } from '../../src/loop/default-loop';
import type { EventLoop } from '../../src/loop/event-loop';
import { WheelTimer } from '../../src/loop/timer-wheel';
import { EPOLLIN } from '../../src/sys/constants';
import { close, eventfd } from '../../src/sys/io';

/** Wait until `loop` has dispatched all that is ready now: `count` events that come behind it, each after the last. */
export async function marker(loop: EventLoop = defaultLoop(), count = 3): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    await new Promise<void>((done) => {
      const fd = eventfd(1, 0);
      const registration = loop.add(fd, EPOLLIN, {
        onEvents: () => {
          registration.remove();
          close(fd);
          // Ticks and immediates of the events before it run first.
          setImmediate(done);
        },
        onRevoked: (reason) => {
          throw reason;
        },
      });
    });
  }
}

/** Wait until a timer of `delayMs` has fired in `loop`: sooner ones that were set before have fired, too. */
export function markerOnWheel(delayMs: number, loop: EventLoop = defaultLoop()): Promise<void> {
  return new Promise((done) => {
    loop.timers.schedule(new WheelTimer({ onTimer: () => done() }), delayMs);
  });
}

/** Let some turns of Node's loop pass, as a slow handler would. It proves nothing. */
export async function nodeTurns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((done) => setImmediate(done));
}
