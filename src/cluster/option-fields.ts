/** Options that pools of threads, of processes and of task threads have in common, and how they are checked. */
import { z } from 'zod';
import { MAX_DELAY_MS } from '../loop/timer-wheel';
import { tcpServerOptionFields } from '../net/server/tcp-server';

const { port, host, backlog, ipv6Only } = tcpServerOptionFields;

/** Listeners of one pool, at most: their numbers have one byte. */
const MAX_LISTENERS = 16;

/** Milliseconds, as a timer takes them. */
export const timeoutField = z.int().min(0).max(MAX_DELAY_MS);

/** An address to listen at, with the options of a {@link TcpServer}; what else there may be stands in the place of `port`. */
export const addressFields = { port: port.optional(), host, backlog, ipv6Only };

/** One listener, or several; none if not given. */
export function listenField<S extends z.ZodType>(one: S) {
  return z
    .union([one.transform((single) => [single]), z.array(one).max(MAX_LISTENERS)])
    .default([]);
}

/** See {@link RestartPolicy}. */
export const restartField = z
  .strictObject({
    firstPauseMs: timeoutField.default(100),
    longestPauseMs: timeoutField.default(10_000),
    maxCrashes: z.int().min(1).default(10),
    goodLifeMs: timeoutField.default(5_000),
  })
  .prefault({});

/** The `resourceLimits` of `node:worker_threads`. */
export const resourceLimitsField = z
  .strictObject({
    maxYoungGenerationSizeMb: z.number().positive().optional(),
    maxOldGenerationSizeMb: z.number().positive().optional(),
    codeRangeSizeMb: z.number().positive().optional(),
    stackSizeMb: z.number().positive().optional(),
  })
  .optional();
