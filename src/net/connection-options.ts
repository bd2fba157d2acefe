/** What can be set for the connections of a server, and its defaults. */
import { z } from 'zod';
import type { EventLoop } from '../loop/event-loop';
import { type ConnectionHandler, emitEvents } from './connection-handler';
import { buffersOf, type IoBuffers } from './io-buffers';

/** Options of every connection of a server. */
export interface ConnectionOptions {
  /**
   * `'level'`, the default: `IN | RDHUP`, one recv(2) an event for most traffic. `'edge'`:
   * `IN | RDHUP | ET`, read until the socket is empty.
   */
  trigger?: 'level' | 'edge';
  /** Keep our writing half open after the peer's `end`; false if not given. */
  allowHalfOpen?: boolean;
  /** Bytes queued in memory from which `write` returns false; 65,536 if not given. */
  highWaterMark?: number;
  /** Bytes queued in memory above which the connection is cut; 16 MiB if not given. */
  maxQueuedBytes?: number;
  /** Cut a connection without any bytes for so long; 0, the default, for never. */
  idleTimeoutMs?: number;
  /** Cut a connection of which a queued write waits for so long; 0, the default, for never. */
  writeTimeoutMs?: number;
  /** Bytes read from one connection before the others have their turn; 262,144 if not given. */
  readQuantumBytes?: number;
  /** Bytes sent from one connection's queue before the others have their turn; 1 MiB if not given. */
  writeQuantumBytes?: number;
  /** One object that is told everything, instead of events on each connection. */
  handler?: ConnectionHandler;
}

function isHandler(value: unknown): boolean {
  return typeof (value as Partial<ConnectionHandler> | null)?.onData === 'function';
}

const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** The fields of {@link ConnectionOptions} for the schemas of servers. */
export const connectionOptionFields = {
  trigger: z.enum(['level', 'edge']).default('level'),
  allowHalfOpen: z.boolean().default(false),
  highWaterMark: z
    .int()
    .min(1)
    .default(64 * 1024),
  maxQueuedBytes: z
    .int()
    .min(1)
    .default(16 * 1024 * 1024),
  idleTimeoutMs: z.number().min(0).max(MAX_TIMEOUT_MS).default(0),
  writeTimeoutMs: z.number().min(0).max(MAX_TIMEOUT_MS).default(0),
  readQuantumBytes: z
    .int()
    .min(1)
    .default(256 * 1024),
  writeQuantumBytes: z
    .int()
    .min(1)
    .default(1024 * 1024),
  handler: z
    .custom<ConnectionHandler>(isHandler, { error: 'expected an object with an onData method' })
    .default(emitEvents),
};

/** The schema of {@link ConnectionOptions}, which leaves out what else there is. */
export const connectionOptionsSchema = z.object(connectionOptionFields);

type CheckedOptions = z.output<typeof connectionOptionsSchema>;

/** Who is told last of a closed connection, after its own listeners. */
export interface ConnectionOwner<C> {
  onConnectionClose(connection: C): void;
}

/** The settings that the connections of one server share. */
export interface ConnectionSettings<C> extends CheckedOptions {
  readonly loop: EventLoop;
  readonly buffers: IoBuffers;
  readonly owner: ConnectionOwner<C>;
}

/** The settings for connections of `owner` on `loop`, out of checked options. */
export function connectionSettings<C>(
  options: CheckedOptions,
  { loop, owner }: { loop: EventLoop; owner: ConnectionOwner<C> },
): ConnectionSettings<C> {
  return { ...connectionOptionsSchema.parse(options), loop, owner, buffers: buffersOf(loop) };
}
