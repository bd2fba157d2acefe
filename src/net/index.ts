/** Servers and connections. */
export type { AcceptTrigger } from './acceptor';
export { connect } from './connect';
export type { ConnectOptions, TcpConnectOptions, UnixConnectOptions } from './connect-options';
export type { ReadRate } from './connection-deadlines';
export type { ConnectionHandler, TcpConnectionEvents } from './connection-handler';
export type { ConnectionOptions, WriteStrategy } from './connection-options';
export type { DatagramInfo } from './datagram-info';
export type { DatagramSocketOptions } from './datagram-options';
export {
  type Datagram,
  DatagramSocket,
  type DatagramSocketEvents,
  type Destination,
} from './datagram-socket';
export type { DroppedConnection, DropReason } from './dropped-connection';
export type { AddressFamily, Endpoint } from './endpoint';
export { FdDuplex } from './fd-duplex';
export type { FdDuplexOptions, FdEnds } from './fd-duplex-options';
export {
  peerCredentials,
  type ReceivedFds,
  type ReceiveFdsOptions,
  receiveFds,
  sendFds,
} from './fd-passing';
export type { FileRange } from './file-range';
export { type ListenFd, type ListenFdsOptions, listenFds } from './listen-fds';
export type { PeerKey } from './peer-counts';
export type { PeerLimit } from './peer-limit';
export type { ShutdownOptions, ShutdownResult } from './server-shutdown';
export {
  getSocketOption,
  type Linger,
  type SocketOptions,
  setSocketOption,
} from './socket-options';
export { StreamServer, type StreamServerEvents, type StreamServerSetup } from './stream-server';
export { TcpConnection } from './tcp-connection';
export { type CongestionState, type TcpInfo, type TcpState, tcpInfo } from './tcp-info';
export { TcpServer, type TcpServerEvents, type TcpServerOptions } from './tcp-server';
export { UnixServer, type UnixServerOptions } from './unix-server';
export type { WriteCallback } from './write-queue';
