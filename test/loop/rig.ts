/** Loops that are closed after the test, and handlers that note their events. */
import { EventLoop } from '../../src/loop/event-loop';
import type { EventLoopOptions } from '../../src/loop/event-loop-options';
import type { EventHandler } from '../../src/loop/registration';

export const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const loops: EventLoop[] = [];

afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

export function newLoop(options: EventLoopOptions = {}): EventLoop {
  const loop = new EventLoop(options);
  loops.push(loop);
  return loop;
}

/** A handler that notes what it is told, and may do something with it. */
export function handler(
  onEvents: (events: number) => void = () => {},
): EventHandler & { calls: number[]; revoked: Error[] } {
  const calls: number[] = [];
  const revoked: Error[] = [];
  return {
    calls,
    revoked,
    onEvents(events) {
      calls.push(events);
      onEvents(events);
    },
    onRevoked: (reason) => revoked.push(reason),
  };
}

/** Let Node's loop, and with it the loops under test, run a few turns. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((done) => setTimeout(done, 1));
}
