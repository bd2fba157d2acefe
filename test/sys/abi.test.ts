import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as abi from '../../src/sys/abi';
import * as constants from '../../src/sys/constants';
import { INOTIFY_EVENT_BYTES } from '../../src/sys/inotify';
import { NETLINK_SIZES } from '../../src/sys/netlink';
import { WINSIZE_BYTES } from '../../src/sys/pty';
import { TERMIOS_BYTES } from '../../src/sys/termios';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { findProgram, testWith } from '../support/requires';

expectNoFdLeaks();

const HEADERS = [
  'stddef.h',
  'stdio.h',
  'fcntl.h',
  'netinet/in.h',
  'netinet/tcp.h',
  'sys/epoll.h',
  'sys/eventfd.h',
  'sys/inotify.h',
  'linux/rtnetlink.h',
  'net/if.h',
  'sys/ioctl.h',
  'sys/socket.h',
  'termios.h',
  'time.h',
];

test('struct epoll_event is packed on x86 and naturally aligned elsewhere', () => {
  const isX86 = process.arch === 'x64' || process.arch === 'ia32';
  expect(abi.EVENT_BYTES).toBe(isX86 ? 12 : 16);
  expect(abi.EVENT_MASK_WORD).toBe(0);
  expect(abi.EVENT_DATA_LOW_WORD).toBe(isX86 ? 1 : 2);
  expect(abi.EVENT_WORDS * 4).toBe(abi.EVENT_BYTES);
  expect(abi.createEventBuffer(10).byteLength).toBe(10 * abi.EVENT_BYTES);
});

const cc = findProgram('cc', 'gcc', 'clang');
testWith(cc, 'a C compiler')('every constant and layout is what the C headers say', () => {
  const names = Object.keys(constants);
  const expressions: Record<string, string> = {
    'sizeof(struct epoll_event)': String(abi.EVENT_BYTES),
    'offsetof(struct epoll_event, events)': String(abi.EVENT_MASK_WORD * 4),
    'offsetof(struct epoll_event, data)': String(abi.EVENT_DATA_LOW_WORD * 4),
    'sizeof(struct timespec)': String(abi.TIMESPEC_BYTES),
    'offsetof(struct timespec, tv_nsec)': String(abi.TIMESPEC_NANOSECONDS_BYTE),
    'sizeof(struct termios)': String(TERMIOS_BYTES),
    'sizeof(struct winsize)': String(WINSIZE_BYTES),
    'sizeof(struct inotify_event)': String(INOTIFY_EVENT_BYTES),
    'offsetof(struct inotify_event, name)': String(INOTIFY_EVENT_BYTES),
  };
  for (const [name, size] of Object.entries(NETLINK_SIZES)) {
    expressions[`sizeof(struct ${name})`] = String(size);
  }
  for (const name of names) {
    expressions[`(unsigned)${name}`] = String(constants[name as keyof typeof constants]);
  }
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-abi-'));
  try {
    const source = `#define _GNU_SOURCE\n${HEADERS.map((name) => `#include <${name}>`).join('\n')}
      int main(void) {
        ${Object.keys(expressions)
          .map((expression) => `printf("%lu\\n", (unsigned long)(${expression}));`)
          .join('\n')}
      }`;
    writeFileSync(join(folder, 'abi.c'), source);
    execFileSync(cc as string, ['-o', join(folder, 'abi'), join(folder, 'abi.c')]);
    const printed = execFileSync(join(folder, 'abi')).toString().trim().split('\n');
    const actual = Object.fromEntries(Object.keys(expressions).map((key, i) => [key, printed[i]]));
    expect(actual).toEqual(expressions);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
