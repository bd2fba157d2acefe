/** The options of a server's connections, and their defaults. */
import { z } from 'zod';
import { wrongValue } from '../../base/errors';
import { parseOptions } from '../../base/options';
import type { EventLoop } from '../../loop/event-loop';
import { MAX_DELAY_MS } from '../../loop/timer-wheel';
import {
  type ConnectionDeadlines,
  DEFAULT_WINDOW_MS,
  deadlinesOf,
  type ReadRate,
} from './deadlines';
import { emitEvents, type Handler, isHandler, NO_HANDLER } from './handler';
import { buffersOf, type IoBuffers } from './io-buffers';

/** See {@link ConnectionOptions.writeStrategy}. */
export type WriteStrategy = 'send-first' | 'on-demand' | 'always';

/** Options of every connection of a server. */
export interface ConnectionOptions<C> {
  /**
   * `'level'`, the default: `IN | RDHUP`, one recv(2) an event for most traffic. `'edge'`:
   * `IN | RDHUP | ET`, read until the socket is empty.
   */
  trigger?: 'level' | 'edge';
  /** Keep our writing half open after the peer's `end`; false if not given. */
  allowHalfOpen?: boolean;
  /**
   * Bytes queued in memory from which `write` returns false; 65,536 if not given, or `maxQueuedBytes`
   * if that is less. No more than that.
   */
  highWaterMark?: number;
  /** Bytes queued in memory above which the connection is cut; 16 MiB if not given. */
  maxQueuedBytes?: number;
  /** Cut a connection on which no byte moves for so long, in either direction; 0, the default, for never. */
  idleTimeoutMs?: number;
  /**
   * Cut a connection that has something queued of which the peer takes nothing for so long; 0, the
   * default, for never. However slowly, a peer that reads is not cut: see `lifetimeMs`.
   */
  writeTimeoutMs?: number;
  /** Cut a connection so long after it was opened, whatever happens on it; 0, the default, for never. */
  lifetimeMs?: number;
  /**
   * Cut a connection whose peer sends fewer bytes while it owes some; no minimum if not given. It
   * owes bytes from the opening on, unless the protocol says otherwise: see
   * {@link StreamConnection.expectBytes}, which {@link serveHttp} calls. While the connection is paused
   * nothing is owed. Null is no minimum also where `serveHttp` would set one.
   */
  minReadRate?: ReadRate | null;
  /**
   * Report urgent data, a byte that overtakes the others (MSG_OOB in send(2)), also while paused; see
   * the event `urgent`. False if not given: then the byte is silently left out.
   */
  urgentData?: boolean;
  /**
   * Bytes read from one connection before the others have their turn; 65,536 if not given. Looked at
   * after each recv(2), of which one takes up to 65,536: less is as good as that.
   */
  readQuantumBytes?: number;
  /** Bytes sent from one connection's queue before the others have their turn; 1 MiB if not given. */
  writeQuantumBytes?: number;
  /**
   * When a write is tried, and when EPOLLOUT is watched for. `'send-first'`, the default: a write is
   * tried at once, and EPOLLOUT watched for while something is queued. `'on-demand'`: a write is
   * queued, and sent when EPOLLOUT says so, which is watched for meanwhile. `'always'`: EPOLLOUT is
   * always watched for, and reported without end: a demonstration of the busy loop. Under `'edge'` only the
   * first is allowed, and EPOLLOUT is registered once, with the connection.
   */
  writeStrategy?: WriteStrategy;
  /** One object whose methods are called for all connections, instead of events on each one. */
  handler?: Handler<C>;
}

const readRateSchema = z.strictObject({
  bytesPerSecond: z.number().positive(),
  windowMs: z.number().min(1).max(MAX_DELAY_MS).default(DEFAULT_WINDOW_MS),
});

/** Check a {@link ReadRate} that is set on a single connection. */
export function parseReadRate(rate: ReadRate): ReadRate {
  return parseOptions('setMinReadRate', readRateSchema, rate);
}

const HIGH_WATER_MARK = 64 * 1024;

/** The fields of {@link ConnectionOptions} for the schemas of servers. */
export const connectionOptionFields = {
  trigger: z.enum(['level', 'edge']).default('level'),
  allowHalfOpen: z.boolean().default(false),
  highWaterMark: z.int().min(1).default(HIGH_WATER_MARK),
  maxQueuedBytes: z
    .int()
    .min(1)
    .default(16 * 1024 * 1024),
  idleTimeoutMs: z.number().min(0).max(MAX_DELAY_MS).default(0),
  writeTimeoutMs: z.number().min(0).max(MAX_DELAY_MS).default(0),
  lifetimeMs: z.number().min(0).max(MAX_DELAY_MS).default(0),
  minReadRate: readRateSchema.nullable().optional(),
  urgentData: z.boolean().default(false),
  readQuantumBytes: z
    .int()
    .min(1)
    .default(64 * 1024),
  writeQuantumBytes: z
    .int()
    .min(1)
    .default(1024 * 1024),
  writeStrategy: z.enum(['send-first', 'on-demand', 'always']).default('send-first'),
  handler: z.custom<Handler<never>>(isHandler, { error: NO_HANDLER }).default(emitEvents),
};

/** The schema of {@link ConnectionOptions}, which leaves out what else there is. */
export const connectionOptionsSchema = z.object(connectionOptionFields);

type CheckedOptions = z.output<typeof connectionOptionsSchema>;

/** The owner of a connection. It is called last when the connection has closed, after the handler. */
export interface ConnectionOwner<C> {
  onConnectionClose(connection: C): void;
}

/** The settings that the connections of one server share. */
export interface ConnectionSettings<C> extends Omit<CheckedOptions, 'handler'> {
  readonly handler: Handler<C>;
  readonly loop: EventLoop;
  readonly buffers: IoBuffers;
  readonly deadlines: ConnectionDeadlines;
  readonly owner: ConnectionOwner<C>;
  /** Whether a write is tried before it is queued. */
  readonly sendsFirst: boolean;
}

/** The owner of a connection without a server: a client's, a stream's. */
const nobody: ConnectionOwner<unknown> = { onConnectionClose: () => {} };

/** The settings for connections on `loop`, out of checked options; of `owner`, if they have one. */
export function connectionSettings<C>(
  options: CheckedOptions,
  { loop, owner = nobody }: { loop: EventLoop; owner?: ConnectionOwner<C> },
): ConnectionSettings<C> {
  const checked = connectionOptionsSchema.parse(options);
  checkTogether(checked);
  const sendsFirst = checked.writeStrategy === 'send-first';
  const highWaterMark = Math.min(checked.highWaterMark, checked.maxQueuedBytes);
  const shared = { loop, owner, buffers: buffersOf(loop), deadlines: deadlinesOf(loop) };
  return { ...checked, ...shared, highWaterMark, sendsFirst };
}

/** Reject combinations of individually valid options. */
function checkTogether(options: CheckedOptions): void {
  const { trigger, writeStrategy, highWaterMark, maxQueuedBytes } = options;
  // A socket that has room, and has had it all the time, gives no edge.
  if (trigger === 'edge' && writeStrategy !== 'send-first') {
    const expected = "with the trigger 'edge' only 'send-first' works";
    throw wrongOption('writeStrategy', expected, `'${writeStrategy}'`);
  }
  // The connection would be cut before `write` had ever said false.
  if (highWaterMark > maxQueuedBytes && highWaterMark !== HIGH_WATER_MARK) {
    const expected = `expected at most maxQueuedBytes, ${maxQueuedBytes}`;
    throw wrongOption('highWaterMark', expected, highWaterMark);
  }
}

function wrongOption(name: string, expected: string, received: unknown): TypeError {
  const text = `Invalid option "${name}": ${expected}. Received ${received}`;
  return wrongValue(text);
}
