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
  type AddressFamily,
  type CongestionState,
  ConnectionDuplex,
  type ConnectionHandler,
  type ConnectionOptions,
  type Datagram,
  type DatagramInfo,
  DatagramSocket,
  type DatagramSocketEvents,
  type DatagramSocketOptions,
  type Destination,
  type Endpoint,
  getSocketOption,
  type Linger,
  peerCredentials,
  type ReceivedFds,
  type ReceiveFdsOptions,
  receiveFds,
  type SocketOptions,
  StreamServer,
  type StreamServerEvents,
  type StreamServerSetup,
  sendFds,
  setSocketOption,
  TcpConnection,
  type TcpConnectionEvents,
  type TcpInfo,
  TcpServer,
  type TcpServerEvents,
  type TcpServerOptions,
  type TcpState,
  tcpInfo,
  UnixServer,
  type UnixServerOptions,
  type WriteCallback,
} from './net';
export * as sys from './sys';
export {
  type Credentials,
  constants,
  type SocketAddress,
  SystemError,
  type UnixAddress,
} from './sys';
export {
  EventFd,
  type EventFdOptions,
  type FdInterest,
  FdSource,
  type FdSourceEvents,
  type FdSourceOptions,
  type FdSourceSetup,
  FdWatcher,
  type FdWatcherEvents,
  type FdWatcherOptions,
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
