/** What a shared set refuses. */
import { closeSync, openSync } from 'node:fs';
import { SharedQueue } from '../../../src/cluster/shared/shared-queue';
import { SharedSet } from '../../../src/cluster/shared/shared-set';
import type { SharedSetOptions } from '../../../src/cluster/shared/shared-set-options';
import { EPOLLHUP, EPOLLIN, EPOLLONESHOT } from '../../../src/sys/constants';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter } from '../../support/fds';

import { any, coded, makeSet, socket } from './rig';

expectNoFdLeaks();

describe('wrong arguments', () => {
  const wrongFd = (): number => {
    const fd = counter();
    closeNow(fd);
    return fd;
  };

  test.each<[string, (set: SharedSet) => unknown, string]>([
    ['a closed fd', (set) => set.add(wrongFd(), EPOLLIN), 'EBADF'],
    ['a regular file', (set) => set.add(closeLater(openSync(__filename, 'r')), 1), 'EPERM'],
    ['no fd', (set) => set.add(-1, EPOLLIN), 'ERR_OUT_OF_RANGE'],
    ['no number', (set) => set.add(any('3'), EPOLLIN), 'ERR_INVALID_ARG_TYPE'],
    ['ONESHOT in the mask', (set) => set.add(0, EPOLLIN | EPOLLONESHOT), 'ERR_OUT_OF_RANGE'],
    ['a long record', (set) => set.add(0, 1, { record: Buffer.alloc(65) }), 'ERR_OUT_OF_RANGE'],
    ['a record of text', (set) => set.add(0, 1, { record: any('a') }), 'ERR_INVALID_ARG_TYPE'],
    ['an option', (set) => set.add(0, 1, any({ records: 1 })), 'ERR_INVALID_ARG_VALUE'],
    ['outlivesHolder', (set) => set.add(0, 1, any({ outlivesHolder: 1 })), 'ERR_INVALID_ARG_TYPE'],
    ['a slot', (set) => set.rearm(any('0')), 'ERR_INVALID_ARG_TYPE'],
    ['a negative slot', (set) => set.remove(-1), 'ERR_OUT_OF_RANGE'],
    ['a broken slot', (set) => set.record(0.5), 'ERR_OUT_OF_RANGE'],
    ['a slot past the table', (set) => set.destroy(1000), 'ERR_SLOT_GONE'],
    ['a slot that was never added', (set) => set.destroy(7), 'ERR_SLOT_GONE'],
    ['a long wait', (set) => set.wait({ timeoutMs: 501 }), 'ERR_OUT_OF_RANGE'],
    ['an endless wait', (set) => set.wait({ timeoutMs: -1 }), 'ERR_OUT_OF_RANGE'],
    ['a wait by number', (set) => set.wait(any(5)), 'ERR_INVALID_ARG_TYPE'],
    ['a wait’s option', (set) => set.wait(any({ timeout: 5 })), 'ERR_INVALID_ARG_VALUE'],
    ['an index', (set) => set.wait({ timeoutMs: 0 }).slot(0), 'ERR_OUT_OF_RANGE'],
  ])('%s', (_name, call, code) => {
    const set = makeSet({ slots: 1000 });
    expect(() => call(set)).toThrow(coded(code));
    expect(set.stats()).toMatchObject({ armed: 0, held: 0 });
  });

  test('an fd that is in the set already', () => {
    const set = makeSet();
    const fd = counter();
    const slot = set.add(fd, EPOLLIN);
    expect(() => set.add(fd, EPOLLIN)).toThrow(coded('EEXIST'));
    expect(set.stats()).toMatchObject({ armed: 1, held: 0 });
    closeLater(set.remove(slot));
  });

  test('re-arming an fd that was closed: the thread holds the slot still', () => {
    const set = makeSet();
    const { fd, peer } = socket();
    const slot = set.add(fd, EPOLLIN);
    closeNow(peer);
    expect([...set.wait()]).toEqual([{ slot, events: EPOLLIN | EPOLLHUP }]);
    closeSync(fd);
    expect(() => set.rearm(slot)).toThrow(coded('EBADF'));
    set.destroy(slot);
    expect(set.stats()).toMatchObject({ armed: 0, held: 0 });
  });

  test.each<[string, SharedSetOptions]>([
    ['slots', { slots: 0 }],
    ['slots', { slots: 65_537 }],
    ['recordBytes', { recordBytes: -1 }],
    ['recordBytes', { slots: 65_536, recordBytes: 65_536 }],
    ['maxEvents', { maxEvents: 1025 }],
    ['oneshot', { oneshot: any('no') }],
    ['slot', any({ slot: 5 })],
  ])('the option %s (%#)', (name, options) => {
    expect(() => new SharedSet(options)).toThrow(coded('ERR_INVALID_ARG_VALUE', name));
  });

  test('handles of other things', () => {
    const queue = new SharedQueue();
    for (const wrong of [undefined, null, 5, {}, { memory: new ArrayBuffer(8) }]) {
      expect(() => SharedSet.open(any(wrong))).toThrow(coded('ERR_INVALID_ARG_TYPE', '"handle"'));
    }
    const short = new SharedArrayBuffer(4096);
    short.slice(0);
    const set = makeSet();
    const cut = new SharedArrayBuffer(4096);
    new Uint8Array(cut).set(new Uint8Array(set.share().memory, 0, 4096));
    for (const memory of [short, cut, queue.share().memory, new SharedArrayBuffer(1)]) {
      expect(() => SharedSet.open({ memory })).toThrow(coded('ERR_INVALID_ARG_VALUE', 'SharedSet'));
    }
    const options = any({ slots: 5 });
    expect(() => SharedSet.open(set.share(), options)).toThrow(
      coded('ERR_INVALID_ARG_VALUE', 'slots'),
    );
    expect(set.stats().threads).toBe(1);
  });
});
