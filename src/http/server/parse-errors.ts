/**
 * The error for bytes that are no request waits for the answers to the requests before it. node:http
 * destroys a connection as soon as its parser fails, also where whole requests came before in the same
 * segment and are being answered. Here its `clientError` comes when they have been.
 */
import type { Server } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { RequestGate } from './request-gate';
import { interceptEvents } from './server-events';

/** What node:http answers by itself; 400 for all others. */
const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
};

/** Have parse errors of `http` wait; `gateOf` finds the gate of a socket, if it has one. */
export function delayParseErrors(
  http: Server | SecureServer | Http2SecureServer,
  gateOf: (socket: Duplex) => RequestGate | null | undefined,
): void {
  interceptEvents(http, 'clientError', (emit, event, args) => {
    const [error, socket] = args as [NodeJS.ErrnoException, Duplex];
    const gate = error.code?.startsWith('HPE_') === true ? gateOf(socket) : null;
    const isDelayed = gate?.fail(() => {
      if (!socket.destroyed && !emit(event, ...args)) refuse(socket, error);
    });
    return isDelayed === true || emit(event, ...args);
  });
}

/** As node:http does it without a listener. */
function refuse(socket: Duplex, error: NodeJS.ErrnoException): void {
  const status = REFUSALS[error.code ?? ''] ?? '400 Bad Request';
  if (!socket.writable) return void socket.destroy(error);
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy(error));
}
