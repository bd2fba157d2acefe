/**
 * epoll-ffi: Linux epoll for Node.js.
 *
 * From the bottom up: `sys` is the raw calls, `Epoll` one epoll instance, `EventLoop` a loop with
 * handlers, `watch` an emitter on any fd, `TcpServer` and `WebSocketServer` what is built on them.
 */
export {
  Epoll,
  type EpollOptions,
  type EventData,
  EventList,
  formatEvents,
  type InterestOptions,
  interestMask,
  type ReadyEvent,
  type WaitOptions,
  Waker,
} from './epoll';
export { serveHttp } from './http';
export {
  defaultLoop,
  type EventHandler,
  EventLoop,
  type EventLoopOptions,
  type EventLoopStats,
  type Registration,
  type TimerOwner,
  WheelTimer,
} from './loop';
export {
  type AcceptTrigger,
  ConnectionDuplex,
  type ConnectionHandler,
  type ConnectionOptions,
  TcpConnection,
  type TcpConnectionEvents,
  TcpServer,
  type TcpServerEvents,
  type TcpServerOptions,
  type WriteCallback,
} from './net';
export * as sys from './sys';
export { constants, type SocketAddress, SystemError, type WindowSize } from './sys';
export {
  type ChangeKind,
  EventFd,
  type EventFdOptions,
  type FdInterest,
  FdReader,
  FdSource,
  type FdSourceEvents,
  type FdSourceOptions,
  type FdSourceSetup,
  FdWatcher,
  type FdWatcherEvents,
  type FdWatcherOptions,
  type FdWriteCallback,
  FdWriter,
  type FdWriterEvents,
  type FdWriterOptions,
  type FileChange,
  type FileEvent,
  type FileMove,
  type FilePlace,
  Inotify,
  type InotifyAddOptions,
  type InotifyOptions,
  type InotifyRecord,
  InotifyTree,
  type InotifyTreeOptions,
  type InotifyWatch,
  Pipe,
  type PipeOptions,
  Pty,
  type PtyOptions,
  type QueueOverflow,
  RawMode,
  type RootGone,
  type TreeChange,
  type TreeMove,
  type TreeOverflow,
  type TreePlace,
  type TreeRecord,
  type UnwatchedDirectory,
  watch,
} from './watch';
export {
  type Authorization,
  type BroadcastOptions,
  encodeFrame,
  type SendOptions,
  WebSocketConnection,
  type WebSocketEvents,
  WebSocketServer,
  type WebSocketServerEvents,
  type WebSocketServerOptions,
} from './ws';
