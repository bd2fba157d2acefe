/**
 * The raw calls, one to one with the man pages: checked arguments in, `n >= 0` or `-errno` out.
 * All layers above are built only on these.
 */
export {
  createEventBuffer,
  EVENT_BYTES,
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
  EVENT_WORDS,
  MAX_EVENTS,
  POLLFD_BYTES,
  SIGNAL_SET_BYTES,
} from './abi';
export {
  ADDRESS_BYTES,
  addressNetwork,
  decodeAddress,
  encodeAddress,
  encodeMembership,
  type SocketAddress,
} from './address';
export { openat, unlinkat } from './at';
export * as constants from './constants';
export {
  type ControlMessage,
  type Credentials,
  decodeCredentials,
} from './control-message';
export {
  epollCreate1,
  epollCtl,
  epollPwait,
  epollPwait2,
  epollWait,
} from './epoll';
export {
  errno,
  errnoName,
  errnoText,
  SystemError,
  type SystemErrorDetail,
  unwrap,
} from './errno';
export { dup3, lseek, memfdCreate, pipe2 } from './fds';
export {
  decodeInotifyEvents,
  INOTIFY_EVENT_BYTES,
  type InotifyEvent,
  inotifyAddWatch,
  inotifyInit1,
  inotifyRmWatch,
} from './inotify';
export { close, eventfd, fcntl, read, setNonBlocking, write } from './io';
export { ioctl, ioctlSize } from './ioctl';
export {
  recvmmsg,
  recvmsg,
  sendmmsg,
  sendmsg,
  sendto,
} from './message';
export { controlSpace } from './message-abi';
export { MAX_MESSAGES, MessageBatch, type MessageBatchOptions } from './message-batch';
export {
  type AddressMessage,
  decodeRouteMessages,
  type EndMessage,
  encodeDumpRequest,
  encodeNetlinkAddress,
  type LinkMessage,
  NETLINK_SIZES,
  type RouteMessage,
} from './netlink';
export { closeOwned, disown, own } from './ownership';
export { attachReusePortFilter } from './packet-filter';
export { encodePath } from './path';
export { PollList, poll, ppoll } from './poll';
export {
  type ChildInfo,
  decodeChildInfo,
  pidfdExitStatus,
  pidfdOpen,
  pidfdSendSignal,
  SIGINFO_BYTES,
  waitid,
} from './process';
export {
  getWindowSize,
  grantpt,
  posixOpenpt,
  ptsname,
  setWindowSize,
  unlockpt,
  WINSIZE_BYTES,
  type WindowSize,
} from './pty';
export { prlimit, type ResourceLimit } from './resource-limit';
export { FdSet, select, type Timeval } from './select';
export {
  decodeSignalInfo,
  pthreadSigmask,
  SIGNALFD_SIGINFO_BYTES,
  type SignalInfo,
  signalfd,
  sigqueue,
  sigtimedwait,
  tgkill,
} from './signal';
export { signalName, signalNumber } from './signal-name';
export { encodeSignalSet } from './signal-set';
export {
  accept4,
  bind,
  connect,
  getpeername,
  getsockname,
  getsockopt,
  listen,
  recv,
  send,
  setsockopt,
  shutdown,
  socket,
  socketpair,
} from './socket';
export { cfmakeraw, returnsAtOnce, TERMIOS_BYTES, tcgetattr, tcsetattr } from './termios';
export {
  clockGettime,
  type TimerSpec,
  timerfdCreate,
  timerfdGettime,
  timerfdSettime,
} from './timer';
export type { Timespec } from './timespec';
export { sendfile, splice, tee } from './transfer';
export {
  decodeUnixAddress,
  encodeUnixAddress,
  UNIX_NAME_MAX,
  type UnixAddress,
} from './unix-address';
export { IOV_MAX, writev } from './vector';
