/**
 * Handlers: the methods that are called when something happens on a connection.
 *
 * A handler is one object for any number of connections, so a connection needs no listeners and no
 * closures of its own. A connection that was given none has {@link emitEvents}, which emits an event
 * for each call.
 */
import { invalidType } from '../../base/check';

/** Methods for one server's connections. An exception of a method becomes an uncaught one. */
export interface Handler<C> {
  /** Bytes came. The view is overwritten after the call: copy what you keep. */
  onData(connection: C, chunk: Buffer): void;
  /** The peer will send no more (FIN). Our half is then ended too, unless `allowHalfOpen`. */
  onEnd?(connection: C): void;
  /**
   * An urgent byte came, if `urgentData` was asked for: it has overtaken the bytes before it, and is
   * left out of them.
   */
  onUrgent?(connection: C, byte: number): void;
  /** The queue is empty again after `write` returned false. */
  onDrain?(connection: C): void;
  /**
   * The server shuts down, see {@link StreamServer.shutdown}: finish what is under way, and end the
   * connection. Without this method it is ended at once, after what is queued.
   */
  onShutdown?(connection: C): void;
  /** The connection is gone, with the error if there was one; nothing follows. */
  onClose?(connection: C, error: Error | undefined): void;
}

/** Events of a {@link StreamConnection}. */
export interface StreamConnectionEvents {
  /** Bytes came. The view is overwritten after the call: copy what you keep. */
  data: [chunk: Buffer];
  /** The peer will send no more (FIN). Our half is then ended too, unless `allowHalfOpen`. */
  end: [];
  /**
   * An urgent byte came, if `urgentData` was asked for: it has overtaken the bytes before it, and is
   * left out of them.
   */
  urgent: [byte: number];
  /** The queue is empty again after `write` returned false. */
  drain: [];
  /**
   * The server shuts down: finish what is under way, and end the connection. Without a listener it is
   * ended at once, after what is queued.
   */
  shutdown: [];
  /**
   * Why the connection is about to close. No listener is needed: `close` has the error too. A reset by the
   * peer is ECONNRESET, but EPIPE if its FIN came first: it closed, and what we sent then was refused.
   */
  error: [error: Error];
  /** The connection is gone; nothing follows. */
  close: [error?: Error];
}

/** What {@link emitEvents} needs of a connection. */
interface Emitter {
  readonly loop: { uncaught(error: unknown): void };
  emit(event: string, ...args: unknown[]): boolean;
  end(): void;
}

/** The handler that emits events. */
export const emitEvents: Required<Handler<Emitter>> = {
  onData(connection, chunk) {
    connection.emit('data', chunk);
  },
  onEnd(connection) {
    connection.emit('end');
  },
  onUrgent(connection, byte) {
    connection.emit('urgent', byte);
  },
  onDrain(connection) {
    connection.emit('drain');
  },
  onShutdown(connection) {
    if (!connection.emit('shutdown')) connection.end();
  },
  onClose(connection, error) {
    if (error === undefined) {
      connection.emit('close');
      return;
    }
    // A listener of either may throw: neither costs the other its call, or its own exception.
    try {
      connection.emit('error', error);
    } catch (thrown) {
      connection.loop.uncaught(thrown);
    }
    connection.emit('close', error);
  },
};

/** Call a handler: what it throws must not leave a connection half closed. */
export function guarded(loop: { uncaught(error: unknown): void }, call: () => void): void {
  try {
    call();
  } catch (error) {
    loop.uncaught(error);
  }
}

const EXPECTED = 'an object with an onData method';

/** Whether `value` can handle connections. */
export function isHandler(value: unknown): value is Handler<never> {
  return typeof (value as Partial<Handler<never>> | null | undefined)?.onData === 'function';
}

/** `value` must be a handler: a TypeError now, and not an exception when the first bytes come. */
export function checkHandler(value: unknown): void {
  if (!isHandler(value)) throw invalidType('handler', EXPECTED, value);
}

/** The message for an option that is no handler. */
export const NO_HANDLER: string = `expected ${EXPECTED}`;
