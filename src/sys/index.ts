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
export {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  encodeMembership,
  type SocketAddress,
} from './address';
export * as constants from './constants';
export {
  type ControlMessage,
  type Credentials,
  decodeCredentials,
} from './control-message';
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
  recvmmsg,
  recvmsg,
  sendmmsg,
  sendmsg,
  sendto,
} from './message';
export { controlSpace } from './message-abi';
export { MAX_MESSAGES, MessageBatch, type MessageBatchOptions } from './message-batch';
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
  decodeUnixAddress,
  encodeUnixAddress,
  UNIX_NAME_MAX,
  type UnixAddress,
} from './unix-address';
