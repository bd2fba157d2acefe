/** Servers and connections. */
export type { AcceptTrigger } from './acceptor';
export { ConnectionDuplex } from './connection-duplex';
export type { ConnectionHandler, TcpConnectionEvents } from './connection-handler';
export type { ConnectionOptions } from './connection-options';
export { TcpConnection } from './tcp-connection';
export { TcpServer, type TcpServerEvents, type TcpServerOptions } from './tcp-server';
export type { WriteCallback } from './write-queue';
