/** Servers and connections. */
import type { StreamConnection } from './connection/connection';
import type { ConnectionOptions as OptionsOf } from './connection/options';

export type { FileRange } from '../bytes/file-range';
export type { WriteCallback } from '../bytes/write-queue';
export { connect } from './client/connect';
export type { ConnectOptions, TcpConnectOptions, UnixConnectOptions } from './client/options';
export {
  type ConnectionHandler,
  StreamConnection,
} from './connection/connection';
export type { ReadRate } from './connection/deadlines';
export type {
  StreamConnectionEvents,
  StreamConnectionEvents as TcpConnectionEvents,
} from './connection/handler';
export type { WriteStrategy } from './connection/options';
export { TcpConnection } from './connection/tcp-connection';
export type { DatagramInfo } from './datagram/info';
export type { DatagramSocketOptions } from './datagram/options';
export {
  type Datagram,
  DatagramSocket,
  type DatagramSocketEvents,
  type Destination,
} from './datagram/socket';
export { FdDuplex } from './duplex/fd-duplex';
export type { FdDuplexOptions, FdEnds } from './duplex/options';
export type { AcceptTrigger } from './server/acceptor';
export type { DroppedConnection, DropReason } from './server/drop';
export { type ListenFd, type ListenFdsOptions, listenFds } from './server/listen-fds';
export type { PeerKey } from './server/peer-counts';
export type { PeerLimit } from './server/peer-limit';
export type { ShutdownOptions, ShutdownResult } from './server/shutdown';
export {
  type AdoptOptions,
  StreamServer,
  type StreamServerEvents,
  type StreamServerSetup,
} from './server/stream-server';
export { TcpServer, type TcpServerEvents, type TcpServerOptions } from './server/tcp-server';
export { UnixServer, type UnixServerOptions } from './server/unix-server';
export type { AddressFamily, Endpoint } from './socket/endpoint';
export {
  peerCredentials,
  type ReceivedFds,
  type ReceiveFdsOptions,
  receiveFds,
  sendFds,
} from './socket/fd-passing';
export {
  getSocketOption,
  type Linger,
  type SocketOptions,
  setSocketOption,
} from './socket/options';
export { type CongestionState, type TcpInfo, type TcpState, tcpInfo } from './socket/tcp-info';

/** Options of connections. */
export type ConnectionOptions = OptionsOf<StreamConnection>;
