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
export {
  decodeInotifyEvents,
  INOTIFY_EVENT_BYTES,
  type InotifyEvent,
  inotifyAddWatch,
  inotifyInit1,
  inotifyRmWatch,
} from './inotify';
export { close, eventfd, fcntl, read, setNonBlocking, write } from './io';
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
export { encodePath } from './path';
export { O_DIRECT, pipe2 } from './pipe';
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
export { cfmakeraw, TERMIOS_BYTES, tcgetattr, tcsetattr } from './termios';
