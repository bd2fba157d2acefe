import * as fs from 'node:fs';
import * as constants from '../../src/sys/constants';
import { errno } from '../../src/sys/errno';
import {
  decodeInotifyEvents,
  INOTIFY_EVENT_BYTES,
  inotifyAddWatch,
  inotifyInit1,
  inotifyRmWatch,
} from '../../src/sys/inotify';
import { read } from '../../src/sys/io';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater } from '../support/fds';
import { makeFolder } from '../support/folder';
import { random, setSeed } from '../support/storm-random';

expectNoFdLeaks();

test('the three calls answer as the man pages say', () => {
  const folder = makeFolder();
  const fd = closeLater(inotifyInit1(constants.IN_NONBLOCK | constants.IN_CLOEXEC));
  const buffer = new Uint8Array(4_096);
  expect(read(fd, buffer)).toBe(-errno.EAGAIN);
  const wd = inotifyAddWatch(fd, folder, constants.IN_CREATE);
  expect(wd).toBeGreaterThan(0);
  expect(inotifyAddWatch(fd, Buffer.from(`${folder}/`), constants.IN_CREATE)).toBe(wd);
  fs.writeFileSync(`${folder}/name`, '');
  fs.mkdirSync(`${folder}/d`);
  expect(inotifyRmWatch(fd, wd)).toBe(0);
  expect(inotifyRmWatch(fd, wd)).toBe(-errno.EINVAL);
  const events = decodeInotifyEvents(buffer, read(fd, buffer));
  expect(events.map(({ name, ...rest }) => ({ ...rest, name: name.toString() }))).toEqual([
    { wd, mask: constants.IN_CREATE, cookie: 0, name: 'name' },
    { wd, mask: (constants.IN_CREATE | constants.IN_ISDIR) >>> 0, cookie: 0, name: 'd' },
    { wd, mask: constants.IN_IGNORED, cookie: 0, name: '' },
  ]);
  expect(read(fd, buffer, INOTIFY_EVENT_BYTES)).toBe(-errno.EAGAIN);
  expect(inotifyInit1(-1)).toBe(-errno.EINVAL);
  expect(inotifyAddWatch(fd, '', 1)).toBe(-errno.ENOENT);
  expect(inotifyAddWatch(fd, folder, 0)).toBe(-errno.EINVAL);
});

test('the decoder takes whole events, leaves a cut one, and stands any bytes', () => {
  const bytes = new Uint8Array(2 * INOTIFY_EVENT_BYTES + 16);
  const words = new Uint32Array(bytes.buffer);
  words.set([7, 0x8000_0100, 0, 16]);
  bytes.set(Buffer.from('0123456789abcdef'), INOTIFY_EVENT_BYTES);
  words.set([0xffff_ffff, constants.IN_Q_OVERFLOW, 0xffff_ffff, 0], 8);
  const both = decodeInotifyEvents(bytes, bytes.length);
  expect(both).toEqual([
    { wd: 7, mask: 0x8000_0100, cookie: 0, name: Buffer.from('0123456789abcdef') },
    { wd: -1, mask: constants.IN_Q_OVERFLOW, cookie: 0xffff_ffff, name: Buffer.alloc(0) },
  ]);
  for (let length = 0; length < bytes.length; length += 1) {
    expect(decodeInotifyEvents(bytes, length)).toHaveLength(length < 32 ? 0 : 1);
  }
  words[3] = 0xffff_ffff;
  expect(decodeInotifyEvents(bytes, bytes.length)).toEqual([]);
  setSeed(7);
  for (let round = 0; round < 20_000; round += 1) {
    const junk = Buffer.from({ length: random(80) } as never).map(() => random(256) & random(256));
    for (const { name } of decodeInotifyEvents(junk, junk.length)) expect(name).not.toContain(0);
  }
});
