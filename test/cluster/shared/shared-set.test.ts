/** A shared set as one thread sees it; two objects stand for two threads. Threads: threads.test.ts. */
import { closeSync } from 'node:fs';
import { SharedSet } from '../../../src/cluster/shared/shared-set';
import { EPOLLIN, EPOLLOUT, F_DUPFD_CLOEXEC } from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter, put, replace, take } from '../../support/fds';

import { coded, isOpen, makeSet, openSet, socket, waited } from './rig';

expectNoFdLeaks();

describe('a slot goes from hand to hand', () => {
  test('an event brings it; then nothing is reported until it is re-armed', () => {
    const set = makeSet();
    const { fd, peer } = socket();
    const slot = set.add(fd, EPOLLIN);
    expect(waited(set)).toEqual([]);
    put(peer, 'one');
    expect([...set.wait()]).toEqual([{ slot, events: EPOLLIN }]);
    put(peer, 'two');
    expect(waited(set)).toEqual([]);
    expect(set.stats()).toMatchObject({ armed: 0, held: 1 });
    expect(take(set.fdOf(slot))).toBe('onetwo');
    put(peer, 'three');
    set.rearm(slot);
    expect(waited(set)).toEqual([slot]);
    set.rearm(slot, EPOLLOUT);
    expect([...set.wait()]).toEqual([{ slot, events: EPOLLOUT }]);
  });

  test('a thread that does not hold it can neither re-arm nor remove it, nor see its record', () => {
    const set = makeSet();
    const other = openSet(set);
    const { fd, peer } = socket();
    const slot = set.add(fd, EPOLLIN);
    const refused = coded('ERR_SLOT_NOT_HELD', `slot ${slot} .*it is armed`);
    for (const call of [set.rearm, set.record, set.integers, set.fdOf]) {
      expect(() => call.call(set, slot)).toThrow(refused);
    }
    put(peer, 'x');
    expect(waited(set)).toEqual([slot]);
    const others = coded('ERR_SLOT_NOT_HELD', /another thread has it/);
    for (const call of [
      other.rearm,
      other.remove,
      other.destroy,
      other.record,
      other.integers,
      other.fdOf,
    ]) {
      expect(() => call.call(other, slot)).toThrow(others);
    }
    set.rearm(slot);
    expect(waited(other)).toEqual([slot]);
    expect(() => set.rearm(slot)).toThrow(others);
  });

  test('what one thread puts down another picks up; nothing is reported meanwhile', () => {
    const set = makeSet();
    const other = openSet(set);
    const slot = set.add(counterFd(), EPOLLIN);
    expect(waited(set)).toEqual([slot]);
    expect(() => other.pickUp(slot)).toThrow(coded('ERR_SLOT_NOT_HELD', 'another thread has it'));
    set.putDown(slot);
    expect(() => set.putDown(slot)).toThrow(coded('ERR_SLOT_NOT_HELD', 'it is put down'));
    expect(() => set.destroy(slot)).toThrow(coded('ERR_SLOT_NOT_HELD', 'it is put down'));
    expect([waited(set), waited(other)]).toEqual([[], []]);
    other.pickUp(slot);
    expect(() => set.pickUp(slot)).toThrow(coded('ERR_SLOT_NOT_HELD', 'another thread has it'));
    other.rearm(slot);
    expect(() => set.pickUp(slot)).toThrow(coded('ERR_SLOT_NOT_HELD', 'it is armed'));
    expect(waited(set)).toEqual([slot]);
    set.destroy(slot);
    expect(() => set.pickUp(slot)).toThrow(coded('ERR_SLOT_GONE'));
  });

  test('what is put down is in nobody’s hands: who ends takes nothing along', () => {
    const set = makeSet();
    const other = openSet(set);
    const slot = set.add(counterFd(), EPOLLIN);
    expect(waited(other)).toEqual([slot]);
    other.putDown(slot);
    other.close();
    set.pickUp(slot);
    set.rearm(slot);
    expect(waited(set)).toEqual([slot]);
  });

  test('remove gives the fd back, of an armed slot too; destroy closes it', () => {
    const set = makeSet();
    const [first, second] = [socket(), socket()];
    const kept = set.add(first.fd, EPOLLIN);
    const cut = set.add(second.fd, EPOLLIN);
    expect(closeLater(set.remove(kept))).toBe(first.fd);
    put(first.peer, 'x');
    expect(waited(set)).toEqual([]);
    expect(take(first.fd)).toBe('x');
    set.destroy(cut);
    expect(isOpen(second.fd)).toBe(false);
    expect(set.stats()).toMatchObject({ armed: 0, held: 0, dropped: 0 });
  });

  test('one wait takes no more than maxEvents; another thread gets the rest', () => {
    const set = makeSet({ maxEvents: 2 });
    const other = openSet(set);
    const slots = [1, 2, 3].map(() => set.add(counterFd(), EPOLLIN));
    expect([...waited(set), ...waited(other)].sort()).toEqual(slots);
  });
});

/** An eventfd that is readable, and is the set's to close. */
function counterFd(): number {
  const kept = counter(1);
  const fd = fcntl(kept, F_DUPFD_CLOEXEC);
  closeNow(kept);
  return fd;
}

describe('the record', () => {
  test('begins with what add was given, is zero behind, and is seen by the next thread', () => {
    const set = makeSet({ recordBytes: 13 });
    const other = openSet(set);
    expect([set.recordBytes, other.recordBytes, other.slots]).toEqual([16, 16, 1024]);
    const slot = set.add(counterFd(), EPOLLIN, { record: Buffer.from('ab') });
    expect(waited(set)).toEqual([slot]);
    expect(Buffer.from(set.record(slot)).toString()).toBe(`ab${'\0'.repeat(14)}`);
    set.integers(slot)[3] = 77;
    set.rearm(slot);
    expect(waited(other)).toEqual([slot]);
    expect(other.integers(slot)[3]).toBe(77);
    expect(other.record(slot)).toBe(other.record(slot));
    expect(other.integers(slot)).toBe(other.integers(slot));
  });

  test('is the slot’s alone, and zero for the next fd in the same place', () => {
    const set = makeSet({ slots: 2, recordBytes: 8 });
    const [first, second] = [set.add(counterFd(), EPOLLIN), set.add(counterFd(), EPOLLIN)];
    expect(waited(set)).toEqual([first, second]);
    set.record(first).fill(1);
    expect([...set.record(second)]).toEqual(new Array(8).fill(0));
    set.destroy(first);
    const third = set.add(counterFd(), EPOLLIN);
    expect(waited(set)).toEqual([third]);
    expect([...set.record(third)]).toEqual(new Array(8).fill(0));
  });

  test('may have no bytes', () => {
    const set = makeSet({ recordBytes: 0 });
    const slot = set.add(counterFd(), EPOLLIN);
    expect(waited(set)).toEqual([slot]);
    expect(set.record(slot).length).toBe(0);
  });
});

describe('what is stale is dropped', () => {
  test('an event of a slot that is gone, also when its place is another’s', () => {
    const set = makeSet({ slots: 1 });
    const { fd, peer } = socket();
    const slot = set.add(fd, EPOLLIN);
    // The duplicate keeps the kernel's entry, which cannot be named any more.
    closeLater(fcntl(fd, F_DUPFD_CLOEXEC));
    closeSync(fd);
    set.destroy(slot);
    const next = set.add(counter(0), EPOLLIN);
    put(peer, 'x');
    expect(waited(set)).toEqual([]);
    expect(set.stats()).toMatchObject({ armed: 1, held: 0, dropped: 1 });
    closeLater(set.remove(next));
  });

  test('a number that was kept names nobody’s slot', () => {
    const set = makeSet({ slots: 1 });
    const slot = set.add(counterFd(), EPOLLIN);
    set.destroy(slot);
    const next = set.add(counterFd(), EPOLLIN);
    expect(waited(set)).toEqual([next]);
    for (const call of [set.rearm, set.remove, set.destroy, set.record, set.fdOf]) {
      expect(() => call.call(set, slot)).toThrow(coded('ERR_SLOT_GONE', `slot ${slot} is gone`));
    }
  });

  test('an fd that was closed behind the set’s back is not closed for its next owner', () => {
    const set = makeSet();
    const { fd } = socket();
    const slot = set.add(fd, EPOLLIN);
    replace(fd);
    set.destroy(slot);
    expect(isOpen(fd)).toBe(true);
    expect(set.stats()).toMatchObject({ armed: 0, held: 0 });
  });
});

describe('without oneshot', () => {
  test('two threads get the same socket; there is nothing to re-arm', () => {
    const set = makeSet({ oneshot: false });
    const other = openSet(set);
    expect(other.oneshot).toBe(false);
    const { fd, peer } = socket();
    const slot = set.add(fd, EPOLLIN);
    put(peer, 'x');
    expect([waited(set), waited(other), waited(set)]).toEqual([[slot], [slot], [slot]]);
    expect(set.record(slot)).toEqual(other.record(slot));
    expect(() => set.rearm(slot)).toThrow(coded('ERR_NOT_ONESHOT'));
    other.destroy(slot);
    expect(waited(set)).toEqual([]);
    expect(() => set.record(slot)).toThrow(coded('ERR_SLOT_GONE'));
  });
});

test('a full table is one clear error; the fd stays the caller’s', () => {
  const set = makeSet({ slots: 3 });
  const slots = [1, 2, 3].map(() => set.add(counterFd(), EPOLLIN));
  const extra = counter(1);
  expect(() => set.add(extra, EPOLLIN)).toThrow(
    coded('ERR_SET_FULL', 'all 3 slots of the set are taken'),
  );
  expect(isOpen(extra)).toBe(true);
  set.destroy(slots[1] as number);
  const next = set.add(extra, EPOLLIN);
  expect(closeLater(set.remove(next))).toBe(extra);
});

describe('stop and close', () => {
  test('stop ends the waits of all, now and later', () => {
    const set = makeSet();
    const other = openSet(set);
    set.add(counterFd(), EPOLLIN);
    other.stop();
    expect([set.stopped, other.stopped]).toEqual([true, true]);
    expect([waited(set), [...other.wait()]]).toEqual([[], []]);
  });

  test('the last to close closes all fds; then nobody can open it', () => {
    const set = makeSet();
    const other = openSet(set);
    const { fd, peer } = socket();
    set.add(fd, EPOLLIN);
    const handle = set.share();
    set.close();
    set.close();
    put(peer, 'x');
    const [ready] = [...other.wait()];
    expect(take(other.fdOf(ready?.slot as number))).toBe('x');
    other.rearm(ready?.slot as number);
    other.close();
    expect(isOpen(fd)).toBe(false);
    expect(() => SharedSet.open(handle)).toThrow(coded('ERR_SHARED_CLOSED'));
    const calls = [() => set.wait(), () => set.stats(), () => set.stop(), () => set.reap()];
    for (const call of [...calls, () => set.share()]) {
      expect(call).toThrow(coded('ERR_SHARED_CLOSED', 'SharedSet is closed'));
    }
    expect(() => set.add(0, EPOLLIN)).toThrow(coded('ERR_SHARED_CLOSED'));
  });

  test('who leaves takes along what it holds; what outlives its holder is armed again', () => {
    const set = makeSet();
    const other = openSet(set);
    const { fd } = socket();
    const held = set.add(fd, EPOLLOUT);
    const listener = set.add(counterFd(), EPOLLIN, { outlivesHolder: true });
    expect(waited(other)).toEqual([held, listener]);
    other.close();
    expect(isOpen(fd)).toBe(false);
    expect([...set.wait()]).toEqual([{ slot: listener, events: EPOLLIN }]);
    expect(set.stats()).toMatchObject({ armed: 0, held: 1, threads: 1 });
  });
});
