/** The verdicts that `authorize` of a WebSocketServer may return. Any other value opens nothing. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { describe } from '../base/check';
import { wrongReturn } from '../base/errors';
import type { HandshakeRefusal } from './handshake';

/** The result of {@link WebSocketServerOptions.authorize}: a refusal has a status of 300 to 599. */
export type Authorization =
  | boolean
  | { status: number; reason: string; headers?: Record<string, string> };

/** The answer to `false`. */
const FORBIDDEN: HandshakeRefusal = { status: 403, reason: 'the request was not accepted' };
/** The answer to a failure of the program, without its details. */
export const FAILED: HandshakeRefusal = {
  status: 500,
  reason: 'the request could not be checked',
};
/** The answer if the verdict does not come in time. */
export const TOO_LATE: HandshakeRefusal = {
  status: 503,
  reason: 'the request was not checked in time',
};

/**
 * The refusal for `verdict`; null if it lets the client in. Throws a TypeError
 * ERR_INVALID_RETURN_VALUE if it is not an {@link Authorization}.
 */
export function refusalOf(verdict: unknown): HandshakeRefusal | null {
  if (verdict === true) return null;
  if (verdict === false) return FORBIDDEN;
  if (isRefusal(verdict)) return verdict;
  const expected = 'true, false or { status: 300 to 599, reason: a string }';
  throw wrongReturn(expected, 'authorize', describe(verdict));
}

/** Whether `value` is a promise of any realm or library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function';
}

function isRefusal(value: unknown): value is HandshakeRefusal {
  if (typeof value !== 'object' || value === null) return false;
  const { status, reason, headers } = value as Partial<HandshakeRefusal>;
  if (!Number.isInteger(status) || (status as number) < 300 || (status as number) > 599)
    return false;
  return typeof reason === 'string' && (headers === undefined || areHeaders(headers));
}

function areHeaders(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null) return false;
  try {
    for (const [name, value] of Object.entries(headers)) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
      if (typeof value !== 'string') return false;
    }
    return true;
  } catch {
    return false;
  }
}
