/**
 * Which connections of an HTTP server are idle, with TLS or without: nothing of a request has come that
 * is not answered, and no answer is being sent. One that has asked for nothing yet is not idle: it may
 * be about to. node:http alone knows whether half a request has come, and shows it only by destroying
 * the sockets that it takes for idle; so these are collected instead, and asked what of their answers is
 * still to be sent, which it does not know.
 */
import { Server } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';

/** A connection that leaves when its server shuts down. */
export interface Leaver {
  /** Whether it is to go as soon as it is idle. */
  readonly isLeaving: boolean;
  /** Between two requests, as far as node:http can say: close, unless an answer is still being sent. */
  leave(): void;
}

/** Where sockets that node:http destroys are put; null if it is to destroy them. */
let collected: Duplex[] | null = null;

/** For the `destroy` of a socket of HTTP: whether it is only being asked for. */
export function isCollected(socket: Duplex): boolean {
  collected?.push(socket);
  return collected !== null;
}

/** The idle connections of one server. */
export class IdleConnections {
  readonly #http: Server | SecureServer | Http2SecureServer;
  readonly #leaverOf: (socket: Duplex) => Leaver | null;
  #isDue = false;

  /** `leaverOf` returns the connection of a socket of `http`. */
  constructor(
    http: Server | SecureServer | Http2SecureServer,
    leaverOf: (socket: Duplex) => Leaver | null,
  ) {
    this.#http = http;
    this.#leaverOf = leaverOf;
  }

  /** Close those which are idle now. */
  close(): void {
    for (const socket of this.#collect()) this.#leaverOf(socket)?.leave();
  }

  /** Close those which are to leave: soon, when what has arrived was parsed, and once for all of them. */
  closeLeavingSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      for (const socket of this.#collect()) {
        const leaver = this.#leaverOf(socket);
        if (leaver?.isLeaving === true) leaver.leave();
      }
    });
  }

  #collect(): Duplex[] {
    const found: Duplex[] = [];
    collected = found;
    try {
      // Not http's own, which one of HTTP/2 has not in every version, though it may speak HTTP/1.1 too.
      Server.prototype.closeIdleConnections.call(this.#http);
    } finally {
      collected = null;
    }
    return found;
  }
}
