/** The options of a {@link Prefork}, and its figures. */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { INT32_MAX } from '../../base/check';
import { moduleField } from '../module-option';
import { addressFields, listenField, restartField, timeoutField } from '../option-fields';
import type { RestartPolicy } from '../restart-pauses';

/** More processes than any machine has cores for. */
const MAX_PROCESSES = 256;

/** Where the processes listen. */
export interface PreforkListenOptions {
  /** The port, 0 for one that is free; see {@link Prefork.ports}. Must be given, or `fd`. */
  port?: number;
  /** The IP address; `127.0.0.1` if not given. */
  host?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /** IPV6_V6ONLY; false if not given. */
  ipv6Only?: boolean;
  /** Instead of all this: a socket that listens already, TCP or unix, as from {@link listenFds}. */
  fd?: number;
}

/** Options of {@link Prefork}. */
export interface PreforkOptions {
  /**
   * The module that each process runs, by its exported function `start(worker)`: an absolute path
   * (`require.resolve('./server')`) or a `file:` URL, of JavaScript or TypeScript, CommonJS or ESM.
   */
  module: string | URL;
  /** Processes; as many as the machine has cores if not given. */
  processes?: number;
  /** Where to listen: one socket, or several. None if not given. */
  listen?: PreforkListenOptions | PreforkListenOptions[];
  /**
   * `'inherited'`, the default: the pool opens the sockets, and all processes inherit them; a client in the
   * backlog is accepted by any. `'reuseport'`: each process opens its own (SO_REUSEPORT), among which the
   * kernel shares out clients; those in the backlog of a process that is killed are reset.
   */
  accept?: 'inherited' | 'reuseport';
  /** Added to the environment of the processes. */
  env?: NodeJS.ProcessEnv;
  /**
   * Answer the signals of this process as an operator expects: SIGTERM and SIGINT {@link Prefork.stop},
   * a second one kills, SIGHUP {@link Prefork.reload}. From `start` to the end. True if not given.
   */
  signals?: boolean;
  /** How long a process has to finish what it has begun; 10,000 if not given. */
  deadlineMs?: number;
  /** How long a process may take to start; 30,000 if not given. */
  startTimeoutMs?: number;
  /** How crashes are answered. */
  restart?: Partial<RestartPolicy>;
}

/** The figures that a process reports of itself. */
export interface WorkerStats {
  /** Connections that are open, of the servers the worker knows. */
  connections: number;
  /** Memory of the process in bytes. */
  residentBytes: number;
  /** CPU time of the process so far, in milliseconds. */
  cpuMs: number;
}

/** One place of a pool, which has one process after the other. */
export interface ProcessStats {
  index: number;
  /** -1 while there is none. */
  pid: number;
  state: 'starting' | 'online' | 'draining' | 'none';
  /** Processes that have ended here without being asked. */
  crashes: number;
  /** Null for a process that does not answer. */
  worker: WorkerStats | null;
}

/** What {@link Prefork.stats} gives. */
export interface PreforkStats {
  /** The sum of those that answer. */
  connections: number;
  crashes: number;
  processes: ProcessStats[];
}

const listenSchema = z
  .strictObject({
    ...addressFields,
    fd: z.int().min(0).max(INT32_MAX).optional(),
  })
  .refine(({ port, fd }) => (port === undefined) !== (fd === undefined), {
    error: 'expected either "port" or "fd"',
  });

/** The schema of {@link PreforkOptions}. */
export const preforkSchema = z
  .strictObject({
    module: moduleField,
    processes: z
      .int()
      .min(1)
      .max(MAX_PROCESSES)
      .default(() => availableParallelism()),
    listen: listenField(listenSchema),
    accept: z.enum(['inherited', 'reuseport']).default('inherited'),
    env: z.record(z.string(), z.string().optional()).default({}),
    signals: z.boolean().default(true),
    deadlineMs: timeoutField.default(10_000),
    startTimeoutMs: timeoutField.min(1).default(30_000),
    restart: restartField,
  })
  .refine(
    ({ accept, listen }) => accept !== 'reuseport' || listen.every((at) => at.fd === undefined),
    {
      path: ['accept'],
      error: "'reuseport' is not for an fd that listens already",
    },
  );

/** {@link PreforkOptions}, checked and with their defaults. */
export type PreforkSettings = z.output<typeof preforkSchema>;

/** The fields of what {@link Prefork.stop} and {@link Prefork.reload} take. */
export const stopSchema = z.strictObject({ deadlineMs: timeoutField.optional() });
