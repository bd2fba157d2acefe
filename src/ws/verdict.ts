/**
 * What `authorize` of a WebSocketServer may answer, and what is made of everything else: a verdict
 * that is none opens nothing.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { describe } from '../base/check';
import { wrongReturn } from '../base/errors';
import type { HandshakeRefusal } from './handshake';

/** What {@link WebSocketServerOptions.authorize} may return: a refusal has a status of 300 to 599. */
export type Authorization =
  | boolean
  | { status: number; reason: string; headers?: Record<string, string> };

/** What `false` answers. */
const FORBIDDEN: HandshakeRefusal = { status: 403, reason: 'the request was not accepted' };
/** What the client is answered to a failure of the program, whose details are not for it. */
export const FAILED: HandshakeRefusal = {
  status: 500,
  reason: 'the request could not be checked',
};
/** What the client is answered when the verdict does not come in time. */
export const TOO_LATE: HandshakeRefusal = {
  status: 503,
  reason: 'the request was not checked in time',
};

/**
 * The refusal that `verdict` stands for; null if it lets the client in. Throws a TypeError
 * ERR_INVALID_RETURN_VALUE for what is no {@link Authorization}.
 */
export function refusalOf(verdict: unknown): HandshakeRefusal | null {
  if (verdict === true) return null;
  if (verdict === false) return FORBIDDEN;
  if (isRefusal(verdict)) return verdict;
  const expected = 'true, false or { status: 300 to 599, reason: a string }';
  throw wrongReturn(expected, 'authorize', describe(verdict));
}

/** Whether `value` is something to wait for: a promise of any realm or library. */
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
