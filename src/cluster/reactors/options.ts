/** The options of a {@link ReactorPool}. */
import { availableParallelism } from 'node:os';
import type { ResourceLimits } from 'node:worker_threads';
import { z } from 'zod';
import { EventLoop } from '../../loop/event-loop';
import { BALANCES, type Balance } from '../accept/dispatcher';
import { ACCEPT_STRATEGIES, type AcceptStrategy } from '../accept/ticket';
import { moduleField } from '../module-option';
import {
  addressFields,
  listenField,
  resourceLimitsField,
  restartField,
  timeoutField,
} from '../option-fields';
import type { RestartPolicy } from '../restart-pauses';

/** More threads than any machine has cores for. */
const MAX_THREADS = 256;

/** An address, or a path of unix(7), to listen at; as for {@link TcpServer} and {@link UnixServer}. */
export interface ListenOptions {
  /** The port, 0 for one that is free; see {@link ReactorPool.port}. Must be given, or `path`. */
  port?: number;
  /** The IP address; `127.0.0.1` if not given. */
  host?: string;
  /** A path, or, beginning with NUL, an abstract name. Not with `reuseport`. */
  path?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /** IPV6_V6ONLY; false if not given. */
  ipv6Only?: boolean;
}

/** Options of {@link ReactorPool}. */
export interface ReactorPoolOptions<Data = unknown> {
  /**
   * The module that each thread runs, by its exported function `start(reactor)`: an absolute path
   * (`require.resolve('./handler')`) or a `file:` URL, of JavaScript or TypeScript, CommonJS or ESM.
   */
  module: string | URL;
  /** Threads; as many as the machine has cores if not given. */
  threads?: number;
  /** Where to listen; the pool opens the sockets, and servers get them as `reactor.listener`. */
  listen?: ListenOptions | ListenOptions[];
  /** How clients are accepted, see {@link AcceptStrategy}; `'exclusive'` if not given. */
  accept?: AcceptStrategy;
  /** With `accept: 'single'`: `'round-robin'`, the default, or `'least-connections'`. */
  balance?: Balance;
  /** With `accept: 'reuseport'`: a client goes to the socket of the CPU that received it. False if not given. */
  spreadByCpu?: boolean;
  /** For the reactors, as `reactor.data`: anything that can be cloned. */
  data?: Data;
  /** Limits for the memory of each thread, as of `node:worker_threads`. */
  resourceLimits?: ResourceLimits;
  /**
   * `'thread'`, the default: a reactor sleeps where Node sleeps, and timers, promises and I/O of Node work as
   * everywhere. `'inline'`: it sleeps in epoll_wait(2) of its own loop, and Node's own things wait for up
   * to half a second; for handlers that use none.
   */
  waiter?: 'thread' | 'inline';
  /** How exactly `lagP99Ms` of the statistics is measured, 0 for not at all; 50 if not given. */
  lagResolutionMs?: number;
  /** How long a reactor may take to start; 30,000 if not given. */
  startTimeoutMs?: number;
  /** How crashes are answered. */
  restart?: Partial<RestartPolicy>;
  /** The loop that accepts, with `accept: 'single'`; this thread's default loop if not given. */
  loop?: EventLoop;
}

const listenSchema = z
  .strictObject({
    ...addressFields,
    path: z.string().min(1).optional(),
  })
  .refine(({ port, path }) => (port === undefined) !== (path === undefined), {
    error: 'expected either "port" or "path"',
  });

/** The schema of {@link ReactorPoolOptions}. */
export const poolSchema = z
  .strictObject({
    module: moduleField,
    threads: z
      .int()
      .min(1)
      .max(MAX_THREADS)
      .default(() => availableParallelism()),
    listen: listenField(listenSchema),
    accept: z.enum(ACCEPT_STRATEGIES).default('exclusive'),
    balance: z.enum(BALANCES).default('round-robin'),
    spreadByCpu: z.boolean().default(false),
    data: z.unknown().optional(),
    resourceLimits: resourceLimitsField,
    waiter: z.enum(['thread', 'inline']).default('thread'),
    lagResolutionMs: z.int().min(0).max(10_000).default(50),
    startTimeoutMs: timeoutField.min(1).default(30_000),
    restart: restartField,
    loop: z.instanceof(EventLoop).optional(),
  })
  .refine(
    ({ accept, listen }) => accept !== 'reuseport' || listen.every((at) => at.path === undefined),
    {
      path: ['accept'],
      error: "'reuseport' is not for unix sockets",
    },
  );

/** {@link ReactorPoolOptions}, checked and with their defaults. */
export type PoolSettings = z.output<typeof poolSchema>;

/** The fields of what {@link ReactorPool.stop} and {@link ReactorPool.restart} take. */
export const stopSchema = z.strictObject({ deadlineMs: timeoutField.default(10_000) });
