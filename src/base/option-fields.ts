/**
 * Options that are objects of the platform. They may come from another realm (a vm context, a test
 * runner, a frame) with classes of its own, for which `instanceof` is false here.
 */
import { types } from 'node:util';
import { z } from 'zod';
import { isAbortSignal, NO_SIGNAL } from './abort-signal';

/** A Date of any realm, converted to one of ours. */
export const dateField = z
  .custom<Date>(types.isDate, { error: 'expected a date' })
  .transform((date) => new Date(Date.prototype.getTime.call(date)))
  .refine((date) => !Number.isNaN(date.getTime()), { error: 'expected a date that exists' });

/** An AbortSignal; see {@link isAbortSignal}. */
export const signalField = z.custom<AbortSignal>(isAbortSignal, { error: NO_SIGNAL });
