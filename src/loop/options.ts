/**
 * Options objects, checked with zod when the thing they configure is made. The error names the
 * option and says what was expected and what was received.
 */
import { inspect } from 'node:util';
import type { z } from 'zod';

/** Check `options` against `schema` and fill in the defaults, or throw a TypeError. */
export function parseOptions<S extends z.ZodType>(
  owner: string,
  schema: S,
  options: unknown,
): z.output<S> {
  const outcome = schema.safeParse(options);
  if (outcome.success) return outcome.data;
  const issue = outcome.error.issues[0];
  const path = issue?.path ?? [];
  const subject =
    path.length > 0 ? `option "${path.join('.')}" of ${owner}` : `options of ${owner}`;
  const text = `Invalid ${subject}: ${issue?.message}. Received ${received(options, path)}`;
  throw Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_VALUE' });
}

function received(options: unknown, path: readonly PropertyKey[]): string {
  let value = options;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return inspect(value, { depth: 0, maxStringLength: 64 });
}
