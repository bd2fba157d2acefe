/**
 * Options that are objects of the platform. They may come from another realm (a vm context, a test
 * runner, a frame), whose classes are not ours: `instanceof` says no to them.
 */
import { types } from 'node:util';
import { z } from 'zod';

/** A Date of any realm, as one of ours. */
export const dateField = z
  .custom<Date>(types.isDate, { error: 'expected a date' })
  .transform((date) => new Date(Date.prototype.getTime.call(date)))
  .refine((date) => !Number.isNaN(date.getTime()), { error: 'expected a date that exists' });

/** An AbortSignal of any realm or library, known by what it can do. */
export const signalField = z.custom<AbortSignal>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    ['addEventListener', 'removeEventListener', 'throwIfAborted'].every(
      (name) => typeof (value as Record<string, unknown>)[name] === 'function',
    ) &&
    typeof (value as AbortSignal).aborted === 'boolean',
  { error: 'expected an AbortSignal' },
);
