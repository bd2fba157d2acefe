/** Proves that a suite leaks no fd: call `expectNoFdLeaks()` once at its top. */
import { defaultLoop } from '../../src/loop/default-loop';
import { openFds } from './open-fds';
import { until } from './until';

export function expectNoFdLeaks(): void {
  let before: Map<number, string>;

  beforeAll(() => {
    before = openFds();
  });

  afterAll(async () => {
    defaultLoop().close();
    const leaked = (): string[] =>
      [...openFds()].filter(([fd]) => !before.has(fd)).map(([fd, target]) => `${fd} -> ${target}`);
    // A waiter thread closes its fds when it has ended, which takes it a moment.
    await until(() => leaked().length === 0, 8_000).catch(() => expect(leaked()).toEqual([]));
  });
}
