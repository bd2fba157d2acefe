/**
 * The opening handshake of RFC 6455, section 4.2, on a request that node:http has parsed. Pure: the
 * answer is a return value.
 */
import { createHash } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { listOf, offersWebSocket } from '../http/server/upgrade-routes';

/** From RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VERSION = '13';
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** A token of RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The answer to a request that is not upgraded. */
export interface HandshakeRefusal {
  status: number;
  reason: string;
  headers?: Record<string, string>;
}

/** Check an upgrade request. Returns null if a WebSocket may be opened. */
export function checkUpgrade(request: IncomingMessage): HandshakeRefusal | null {
  const { headers } = request;
  if (request.method !== 'GET') {
    return { status: 405, reason: 'the method must be GET', headers: { Allow: 'GET' } };
  }
  const malformed = checkMessage(request);
  if (malformed !== null) return { status: 400, reason: malformed };
  if (!offersWebSocket(request)) {
    return { status: 400, reason: 'the Upgrade header must contain "websocket"' };
  }
  if (!listOf(headers.connection).includes('upgrade')) {
    return { status: 400, reason: 'the Connection header must contain "Upgrade"' };
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    return { status: 400, reason: 'the Sec-WebSocket-Key header must be 16 bytes in base64' };
  }
  if (headers['sec-websocket-version'] !== VERSION) {
    return {
      status: 426,
      reason: `the Sec-WebSocket-Version must be ${VERSION}`,
      headers: { 'Sec-WebSocket-Version': VERSION },
    };
  }
  return checkProtocols(headers['sec-websocket-protocol']);
}

/**
 * The mistake in its HTTP; null if there is none. node:http leaves this check to the upgrade
 * handler. A body would be read as frames.
 */
function checkMessage(request: IncomingMessage): string | null {
  const { headers, httpVersion, rawHeaders } = request;
  // HTTP/1.0 must not be upgraded (RFC 9110, section 7.8); HTTP/2 has its own way (RFC 8441).
  if (httpVersion !== '1.1') return 'the version must be HTTP/1.1';
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length !== 1) return 'there must be one Host header';
  const hasLength = Number(headers['content-length'] ?? 0) !== 0;
  if (hasLength || headers['transfer-encoding'] !== undefined) return 'there must be no body';
  return null;
}

function checkProtocols(header: string | undefined): HandshakeRefusal | null {
  const offered = offeredProtocols(header);
  const isValid = offered.every((name) => TOKEN.test(name));
  if (isValid && new Set(offered).size === offered.length) return null;
  return { status: 400, reason: 'the Sec-WebSocket-Protocol header must be a list of tokens' };
}

/** The subprotocols that a client offers, the preferred one first. */
export function offeredProtocols(header: string | undefined): string[] {
  return header === undefined ? [] : header.split(',').map((name) => name.trim());
}

/** The whole response that opens the WebSocket. */
export function acceptResponse(request: IncomingMessage, protocol: string | null): string {
  const key = request.headers['sec-websocket-key'] as string;
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
  ];
  if (protocol !== null) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The whole response that refuses it. */
export function refusalResponse({ status, reason, headers = {} }: HandshakeRefusal): string {
  const body = `${reason}\n`;
  const all = {
    Connection: 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}
