import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as abi from '../../src/sys/abi';
import * as constants from '../../src/sys/constants';
import { INOTIFY_EVENT_BYTES } from '../../src/sys/inotify';
import { CMSGHDR, controlSpace, IOVEC, MMSGHDR, UCRED } from '../../src/sys/message-abi';
import { NETLINK_SIZES } from '../../src/sys/netlink';
import { SIGINFO_BYTES, SIGINFO_OFFSETS } from '../../src/sys/process';
import { WINSIZE_BYTES } from '../../src/sys/pty';
import { SIGNALFD_SIGINFO_BYTES, SIGNALFD_SIGINFO_OFFSETS } from '../../src/sys/signal';
import { TERMIOS_BYTES } from '../../src/sys/termios';
import * as timer from '../../src/sys/timer';
import { UNIX_NAME_MAX } from '../../src/sys/unix-address';
import { IOV_MAX } from '../../src/sys/vector';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { findProgram } from '../support/programs';
import { testWith } from '../support/requires';

expectNoFdLeaks();

const HEADERS = [
  'stddef.h',
  'sys/socket.h',
  'fcntl.h',
  'limits.h',
  'linux/rtnetlink.h',
  'net/if.h',
  'netinet/in.h',
  'netinet/tcp.h',
  'poll.h',
  'signal.h',
  'stdio.h',
  'sys/epoll.h',
  'sys/eventfd.h',
  'sys/inotify.h',
  'sys/ioctl.h',
  'sys/mman.h',
  'sys/pidfd.h',
  'sys/resource.h',
  'sys/select.h',
  'sys/signalfd.h',
  'sys/syscall.h',
  'sys/time.h',
  'sys/timerfd.h',
  'sys/un.h',
  'sys/wait.h',
  'termios.h',
  'time.h',
  'unistd.h',
];

/** What the headers of older systems lack, as the kernel's own headers have it. */
const LATER = `
  #ifndef EPIOCSPARAMS
  #include <stdint.h>
  struct epoll_params {
    uint32_t busy_poll_usecs;
    uint16_t busy_poll_budget;
    uint8_t prefer_busy_poll;
    uint8_t __pad;
  };
  #define EPIOCSPARAMS _IOW(0x8A, 0x01, struct epoll_params)
  #define EPIOCGPARAMS _IOR(0x8A, 0x02, struct epoll_params)
  #endif
  #ifndef SCM_PIDFD
  #define SCM_PIDFD 0x04
  #endif
  #ifndef SO_PASSPIDFD
  #define SO_PASSPIDFD 76
  #endif
`;

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
    'sizeof(struct timeval)': String(abi.TIMEVAL_BYTES),
    'offsetof(struct timeval, tv_usec)': String(abi.TIMEVAL_MICROSECONDS_BYTE),
    'sizeof(struct pollfd)': String(abi.POLLFD_BYTES),
    'offsetof(struct pollfd, events)': String(abi.POLLFD_EVENTS_BYTE),
    'offsetof(struct pollfd, revents)': String(abi.POLLFD_REVENTS_BYTE),
    'sizeof(struct epoll_params)': String(abi.EPOLL_PARAMS_BYTES),
    'offsetof(struct epoll_params, busy_poll_budget)': String(abi.EPOLL_PARAMS_BUDGET_BYTE),
    'offsetof(struct epoll_params, prefer_busy_poll)': String(abi.EPOLL_PARAMS_PREFER_BYTE),
    'sizeof(struct rlimit)': String(abi.RLIMIT_BYTES),
    'offsetof(struct rlimit, rlim_max)': String(abi.RLIMIT_HARD_BYTE),
    'sizeof(sigset_t)': String(abi.SIGNAL_SET_BYTES),
    'sizeof(fd_set)': String(abi.FD_SET_BYTES),
    'sizeof(struct itimerspec)': String(timer.ITIMERSPEC_BYTES),
    'offsetof(struct itimerspec, it_interval)': String(timer.ITIMERSPEC_INTERVAL_BYTE),
    'offsetof(struct itimerspec, it_value)': String(timer.ITIMERSPEC_VALUE_BYTE),
    'sizeof(struct signalfd_siginfo)': String(SIGNALFD_SIGINFO_BYTES),
    'sizeof(siginfo_t)': String(SIGINFO_BYTES),
    IOV_MAX: String(IOV_MAX),
    'sizeof(struct iovec)': String(IOVEC.bytes),
    'offsetof(struct iovec, iov_base)': String(IOVEC.base),
    'offsetof(struct iovec, iov_len)': String(IOVEC.length),
    'sizeof(struct mmsghdr)': String(MMSGHDR.bytes),
    'offsetof(struct mmsghdr, msg_hdr)': '0',
    'offsetof(struct mmsghdr, msg_len)': String(MMSGHDR.length),
    'offsetof(struct msghdr, msg_name)': String(MMSGHDR.name),
    'offsetof(struct msghdr, msg_namelen)': String(MMSGHDR.nameLength),
    'offsetof(struct msghdr, msg_iov)': String(MMSGHDR.iov),
    'offsetof(struct msghdr, msg_iovlen)': String(MMSGHDR.iovLength),
    'offsetof(struct msghdr, msg_control)': String(MMSGHDR.control),
    'offsetof(struct msghdr, msg_controllen)': String(MMSGHDR.controlLength),
    'offsetof(struct msghdr, msg_flags)': String(MMSGHDR.flags),
    'sizeof(struct cmsghdr)': String(CMSGHDR.bytes),
    'offsetof(struct cmsghdr, cmsg_len)': String(CMSGHDR.length),
    'offsetof(struct cmsghdr, cmsg_level)': String(CMSGHDR.level),
    'offsetof(struct cmsghdr, cmsg_type)': String(CMSGHDR.type),
    'CMSG_SPACE(0)': String(controlSpace(0)),
    'CMSG_SPACE(1)': String(controlSpace(1)),
    'CMSG_SPACE(12)': String(controlSpace(12)),
    'sizeof(struct ucred)': String(UCRED.bytes),
    'offsetof(struct ucred, pid)': String(UCRED.pid),
    'offsetof(struct ucred, uid)': String(UCRED.uid),
    'offsetof(struct ucred, gid)': String(UCRED.gid),
    'sizeof(((struct sockaddr_un *)0)->sun_path)': String(UNIX_NAME_MAX + 1),
    'sizeof(struct termios)': String(TERMIOS_BYTES),
    'sizeof(struct winsize)': String(WINSIZE_BYTES),
    'sizeof(struct inotify_event)': String(INOTIFY_EVENT_BYTES),
    'offsetof(struct inotify_event, name)': String(INOTIFY_EVENT_BYTES),
  };
  for (const [name, offset] of Object.entries(SIGNALFD_SIGINFO_OFFSETS)) {
    expressions[`offsetof(struct signalfd_siginfo, ${name})`] = String(offset);
  }
  for (const [name, offset] of Object.entries(SIGINFO_OFFSETS)) {
    expressions[`offsetof(siginfo_t, ${name})`] = String(offset);
  }
  for (const [name, size] of Object.entries(NETLINK_SIZES)) {
    expressions[`sizeof(struct ${name})`] = String(size);
  }
  for (const name of names) {
    expressions[`(unsigned)${name}`] = String(constants[name as keyof typeof constants] >>> 0);
  }
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-abi-'));
  try {
    const source = `#define _GNU_SOURCE\n#define _FILE_OFFSET_BITS 64\n${HEADERS.map((name) => `#include <${name}>`).join('\n')}
      ${LATER}
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
