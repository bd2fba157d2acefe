/**
 * The kernel's numbers, under the kernel's names. They are those of the generic Linux ABI, which
 * every machine koffi runs on shares (x86, arm, riscv, loongarch, ppc64le); the numbers of ioctl(2)
 * alone are others on PowerPC.
 */
import { constants as fsConstants } from 'node:fs';

const isPowerPc = process.arch === 'ppc64';

// epoll_create1(2), epoll_ctl(2), epoll_wait(2)
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDNORM = 0x040;
export const EPOLLRDBAND = 0x080;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLMSG = 0x400;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 0x1000_0000;
export const EPOLLWAKEUP = 0x2000_0000;
export const EPOLLONESHOT = 0x4000_0000;
export const EPOLLET = 0x8000_0000;

// ioctl_eventpoll(2), <linux/eventpoll.h>
export const EPIOCSPARAMS: number = isPowerPc ? 0x8008_8a01 : 0x4008_8a01;
export const EPIOCGPARAMS: number = isPowerPc ? 0x4008_8a02 : 0x8008_8a02;

// poll(2)
export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDNORM = 0x040;
export const POLLRDBAND = 0x080;
export const POLLWRNORM = 0x100;
export const POLLWRBAND = 0x200;
export const POLLMSG = 0x400;
export const POLLRDHUP = 0x2000;

// select(2)
export const FD_SETSIZE = 1024;

// eventfd(2)
export const EFD_SEMAPHORE = 1;
export const EFD_NONBLOCK = 0o4000;
export const EFD_CLOEXEC = 0o2000000;

// fcntl(2), open(2)
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const F_SEAL_WRITE = 0x8;
export const FD_CLOEXEC = 1;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** The working directory, where a call takes a directory's fd. */
export const AT_FDCWD = -100;
export const AT_REMOVEDIR = 0x200;
/** Differs between machines: Node knows this one's. */
export const O_DIRECT: number = fsConstants.O_DIRECT;

// lseek(2)
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

// memfd_create(2)
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;
export const MFD_HUGETLB = 0x4;

// splice(2), tee(2)
export const SPLICE_F_MOVE = 0x1;
export const SPLICE_F_NONBLOCK = 0x2;
export const SPLICE_F_MORE = 0x4;

// ioctl(2), <asm-generic/ioctls.h>
export const TIOCGWINSZ: number = isPowerPc ? 0x4008_7468 : 0x5413;
export const TIOCSWINSZ: number = isPowerPc ? 0x8008_7467 : 0x5414;
export const TIOCOUTQ: number = isPowerPc ? 0x4004_7473 : 0x5411;
export const FIONREAD: number = isPowerPc ? 0x4004_667f : 0x541b;
export const FIONBIO: number = isPowerPc ? 0x8004_667e : 0x5421;
export const FIONCLEX: number = isPowerPc ? 0x2000_6602 : 0x5450;
export const FIOCLEX: number = isPowerPc ? 0x2000_6601 : 0x5451;

// prlimit(2)
export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;

// socket(2)
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOMAXCONN = 4096;

// send(2), recv(2), shutdown(2)
export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_WAITALL = 0x100;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
export const MSG_WAITFORONE = 0x1_0000;
export const MSG_CMSG_CLOEXEC = 0x4000_0000;
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

// unix(7): control messages
export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;
export const SCM_PIDFD = 4;

// setsockopt(2): socket(7)
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
// The two in which ppc64le differs from the others.
export const SO_PASSCRED: number = process.arch === 'ppc64' ? 20 : 16;
export const SO_PEERCRED: number = process.arch === 'ppc64' ? 21 : 17;
export const SO_ACCEPTCONN = 30;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_BUSY_POLL = 46;
export const SO_INCOMING_CPU = 49;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const SO_PASSPIDFD = 76;

// setsockopt(2): ip(7)
export const IPPROTO_IP = 0;
export const IP_TTL = 2;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;
export const IP_ADD_MEMBERSHIP = 35;
export const IP_DROP_MEMBERSHIP = 36;

// setsockopt(2): tcp(7)
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_CORK = 3;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_USER_TIMEOUT = 18;
export const TCP_NOTSENT_LOWAT = 25;

// setsockopt(2): ipv6(7)
export const IPPROTO_IPV6 = 41;
export const IPV6_UNICAST_HOPS = 16;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_HOPS = 18;
export const IPV6_MULTICAST_LOOP = 19;
export const IPV6_ADD_MEMBERSHIP = 20;
export const IPV6_DROP_MEMBERSHIP = 21;
export const IPV6_V6ONLY = 26;

// clock_gettime(2), timerfd_create(2), timerfd_settime(2)
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const TFD_NONBLOCK = 0o4000;
export const TFD_CLOEXEC = 0o2000000;
export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;

// signalfd(2), pthread_sigmask(3)
export const SFD_NONBLOCK = 0o4000;
export const SFD_CLOEXEC = 0o2000000;
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

// pidfd_open(2), pidfd_send_signal(2), waitid(2): syscall numbers since 5.1 are the same everywhere
export const SYS_pidfd_send_signal = 424;
export const SYS_pidfd_open = 434;
export const P_PIDFD = 3;
export const WNOHANG = 1;
export const WEXITED = 4;
export const WNOWAIT = 0x0100_0000;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
// inotify(7), inotify_init1(2), inotify_add_watch(2)
export const IN_CLOEXEC = 0o2000000;
export const IN_NONBLOCK = 0o4000;
export const IN_ACCESS = 0x001;
export const IN_MODIFY = 0x002;
export const IN_ATTRIB = 0x004;
export const IN_CLOSE_WRITE = 0x008;
export const IN_CLOSE_NOWRITE = 0x010;
export const IN_OPEN = 0x020;
export const IN_MOVED_FROM = 0x040;
export const IN_MOVED_TO = 0x080;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
/** IN_CLOSE_WRITE and IN_CLOSE_NOWRITE. */
export const IN_CLOSE = 0x018;
/** IN_MOVED_FROM and IN_MOVED_TO. */
export const IN_MOVE = 0x0c0;
/** All of the above. */
export const IN_ALL_EVENTS = 0xfff;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x0100_0000;
export const IN_DONT_FOLLOW = 0x0200_0000;
export const IN_EXCL_UNLINK = 0x0400_0000;
export const IN_MASK_CREATE = 0x1000_0000;
export const IN_MASK_ADD = 0x2000_0000;
export const IN_ISDIR = 0x4000_0000;
export const IN_ONESHOT = 0x8000_0000;

// tcsetattr(3)
export const TCSANOW = 0;
export const TCSADRAIN = 1;
export const TCSAFLUSH = 2;

// netlink(7), rtnetlink(7), netdevice(7)
export const NETLINK_ROUTE = 0;
export const NLM_F_REQUEST = 0x001;
export const NLM_F_MULTI = 0x002;
export const NLM_F_DUMP_INTR = 0x010;
export const NLM_F_DUMP = 0x300;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTMGRP_LINK = 0x001;
export const RTMGRP_IPV4_IFADDR = 0x010;
export const RTMGRP_IPV6_IFADDR = 0x100;
export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFF_UP = 0x01;
export const IFF_RUNNING = 0x40;
