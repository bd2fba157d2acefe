/** Sets for the tests of one file, closed after each, and what they watch. */
import { fstatSync } from 'node:fs';
import { SharedSet } from '../../../src/cluster/shared/shared-set';
import type { SharedSetOptions } from '../../../src/cluster/shared/shared-set-options';
import { F_DUPFD_CLOEXEC } from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { closeNow, pair } from '../../support/fds';

// biome-ignore lint/suspicious/noExplicitAny: the point is to call with what the types forbid.
export const any = (value: unknown): any => value;
export const coded = (code: string, text: RegExp | string = ''): Error =>
  expect.objectContaining({ code, message: expect.stringMatching(text) });

let sets: SharedSet[] = [];

afterEach(() => {
  for (const set of sets) set.close();
  sets = [];
});

export function makeSet(options: SharedSetOptions = {}): SharedSet {
  const set = new SharedSet(options);
  sets.push(set);
  return set;
}

/** As another thread opens it. */
export function openSet(set: SharedSet): SharedSet {
  const other = SharedSet.open(structuredClone(set.share()));
  sets.push(other);
  return other;
}

/** A socket for a set, which owns it from then on, and its peer. */
export function socket(): { fd: number; peer: number } {
  const [kept, peer] = pair();
  const fd = fcntl(kept, F_DUPFD_CLOEXEC);
  closeNow(kept);
  return { fd, peer };
}

export const isOpen = (fd: number): boolean => {
  try {
    return fstatSync(fd).ino >= 0;
  } catch {
    return false;
  }
};
export const waited = (set: SharedSet): number[] =>
  [...set.wait({ timeoutMs: 0 })].map(({ slot }) => slot);
