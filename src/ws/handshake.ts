/**
 * The opening handshake of RFC 6455, section 4.2, on a request that node:http has parsed. Pure: what
 * to answer is a value.
 */
import { createHash } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';

/** From RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VERSION = '13';
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** A token of RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Why a request is not upgraded: what to answer. */
export interface HandshakeRefusal {
  status: number;
  reason: string;
  headers?: Record<string, string>;
}

/** The words of a header that is a comma-separated list, in lower case. */
function listOf(value: string | undefined): string[] {
  return (value ?? '').split(',').map((word) => word.trim().toLowerCase());
}

/** Check an upgrade request. Returns null if a WebSocket may be opened. */
export function checkUpgrade(request: IncomingMessage): HandshakeRefusal | null {
  const { headers } = request;
  if (request.method !== 'GET') {
    return { status: 405, reason: 'the method must be GET', headers: { Allow: 'GET' } };
  }
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 400, reason: 'the Upgrade header must be "websocket"' };
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

function checkProtocols(header: string | undefined): HandshakeRefusal | null {
  const offered = offeredProtocols(header);
  const isValid = offered.every((name) => TOKEN.test(name));
  if (isValid && new Set(offered).size === offered.length) return null;
  return { status: 400, reason: 'the Sec-WebSocket-Protocol header must be a list of tokens' };
}

/** The subprotocols a client offers, the preferred one first. */
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
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}
