/**
 * Options objects, checked with zod at construction. The error names the option, what it expected
 * and what it received.
 */
import type { z } from 'zod';
import { describe } from './check';
import { wrongValue } from './errors';
import { foreignName } from './foreign-names';

/** Check `options` against `schema` and fill in the defaults, or throw a TypeError. */
export function parseOptions<S extends z.ZodType>(
  owner: string,
  schema: S,
  options: unknown,
): z.output<S> {
  const outcome = schema.safeParse(options);
  if (outcome.success) return outcome.data;
  const issue = outcome.error.issues[0] as z.core.$ZodIssue;
  const { path } = issue;
  const subject =
    path.length > 0 ? `option "${path.join('.')}" of ${owner}` : `options of ${owner}`;
  const text = `Invalid ${subject}: ${complaint(owner, issue, schema)}. Received ${received(options, path)}`;
  throw wrongValue(text);
}

/** zod's message without the received value, which we add ourselves. */
function complaint(owner: string, issue: z.core.$ZodIssue, schema: z.ZodType): string {
  const text = issue.message.replace(/^Invalid input: (.*), received .*$/s, '$1');
  if (issue.code !== 'unrecognized_keys' || issue.path.length > 0) return text;
  const hints = issue.keys.flatMap((key) => {
    const there = foreignName(owner, key);
    return there === undefined ? [] : [`${key}: see ${there}`];
  });
  if (hints.length > 0) return `${text} (${hints.join('; ')})`;
  const meant = knownNames(schema).filter((name) => issue.keys.some((key) => isLike(name, key)));
  return meant.length > 0 ? `${text} (there is ${meant.join(', ')})` : text;
}

/** The option names of `schema`, if it is the schema of an object. */
function knownNames(schema: z.ZodType): string[] {
  return 'shape' in schema ? Object.keys(schema.shape as object) : [];
}

/** Whether a user who wrote `key` may have meant `name`: another case, or without the unit. */
function isLike(name: string, key: string): boolean {
  const [a, b] = [name.toLowerCase(), key.toLowerCase()];
  return b.length > 2 && (a.includes(b) || b.includes(a));
}

function received(options: unknown, path: readonly PropertyKey[]): string {
  let value = options;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return describe(value);
}
