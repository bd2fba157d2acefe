/**
 * The raw calls, one to one with the man pages: checked arguments in, `n >= 0` or `-errno` out.
 * Everything above is built on these and on nothing else.
 */
export {
  createEventBuffer,
  EVENT_BYTES,
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
  EVENT_WORDS,
  MAX_EVENTS,
} from './abi';
export { ADDRESS_BYTES, decodeAddress, encodeAddress, type SocketAddress } from './address';
export * as constants from './constants';
export {
  epollCreate1,
  epollCtl,
  epollPwait2,
  epollWait,
  type Timespec,
} from './epoll';
export {
  errno,
  errnoName,
  errnoText,
  SystemError,
  type SystemErrorDetail,
  unwrap,
} from './errno';
export { close, eventfd, fcntl, read, setNonBlocking, write } from './io';
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
export {
  clockGettime,
  type TimerSpec,
  timerfdCreate,
  timerfdGettime,
  timerfdSettime,
} from './timer';
