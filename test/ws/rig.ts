/** WebSocket servers and their clients: of the `ws` package, and raw ones that send any bytes they like. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import WebSocket, { type ClientOptions } from 'ws';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import type { WebSocketServerOptions } from '../../src/ws/web-socket-server-options';
import { client, receive } from '../support/client';
import { next } from '../support/until';

export const servers: WebSocketServer[] = [];
export const sockets: WebSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const server of servers.splice(0)) server.destroy();
});

export function serve(options: Partial<WebSocketServerOptions> = {}): WebSocketServer {
  const server = new WebSocketServer({ port: 0, ...options });
  servers.push(server);
  return server;
}

export function echo(server: WebSocketServer): WebSocketServer {
  return server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
}

/** A client of the `ws` package. */
export function dial(server: WebSocketServer, path = '/', options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, options);
  sockets.push(socket);
  return socket;
}

/** Both ends of a new WebSocket. */
export async function connected(
  server: WebSocketServer,
): Promise<{ socket: WebSocketConnection; peer: WebSocket; request: IncomingMessage }> {
  const accepted = next<[WebSocketConnection, IncomingMessage]>(server, 'connection');
  const peer = dial(server);
  const [[socket, request]] = await Promise.all([accepted, next(peer, 'open')]);
  return { socket, peer, request };
}

export const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: x',
  'Connection: keep-alive, Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

export const asRequest = (lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

/** A raw TCP client that has upgraded, so that it can send any bytes it likes. */
export async function rawPeer(
  server: WebSocketServer,
  behind: Buffer = Buffer.alloc(0),
): Promise<Socket> {
  const peer = await client(server.port);
  peer.write(Buffer.concat([Buffer.from(asRequest(UPGRADE)), behind]));
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += await receive(peer, 1);
  expect(head).toMatch(/^HTTP\/1.1 101 /);
  // The example of RFC 6455, section 1.3.
  expect(head).toMatch(/Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
  return peer;
}
