/**
 * The limits of a server: those that its program gave, and those that a protocol sets if the
 * program gave none. A raw server sets none for itself, because it does not know the protocol.
 */
import { z } from 'zod';
import type { ReadRate } from '../connection/deadlines';

/** Limits that a protocol may have defaults for; see the options of the same names. */
export interface ServerLimits {
  /** Infinity for none. */
  maxConnections: number;
  /** 0 for none, as the two below. */
  idleTimeoutMs: number;
  writeTimeoutMs: number;
  lifetimeMs: number;
  /** Null for none. */
  minReadRate: ReadRate | null;
}

/** The given options of `limits`: all but undefined, so 0, null and Infinity are given. */
export function givenOf(options: object): ReadonlySet<string> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return new Set(given.map(([name]) => name));
}

/** Infinity is a limit too, for programs that want none although there is a default. */
export const maxConnectionsField = z
  .custom<number>(
    (value) => value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 1),
    { error: 'expected a whole number from 1 on, or Infinity' },
  )
  .optional();
