/** Proves that a suite leaks no fd: call `expectNoFdLeaks()` once at its top. */
import { readdirSync, readlinkSync } from 'node:fs';
import { defaultLoop } from '../../src/loop/default-loop';
import { until } from './until';

function openFds(): Map<number, string> {
  const fds = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      fds.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The directory's own fd, which is closed by now.
    }
  }
  return fds;
}

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
    await until(() => leaked().length === 0).catch(() => expect(leaked()).toEqual([]));
  });
}
