/** Arguments for the storm: what a unit is, and integers. */
import * as sys from '../../../src/sys';
import { pick } from '../../support/storm-random';

/** One or two neighbouring arguments, right or wrong. */
export interface Unit {
  right(): unknown[];
  wrong(): unknown[];
}

export const NOT_NUMBERS = [
  null,
  '3',
  '',
  true,
  3n,
  {},
  [],
  [3],
  Symbol('3'),
  () => 3,
  { valueOf: () => 3 },
  Object(3),
];
export const NOT_INTEGERS = [
  Number.NaN,
  0.5,
  3.000_001,
  -1.5,
  Infinity,
  -Infinity,
  1e21,
  2 ** 53 + 2,
];

export function integers(min: number, max: number, right: number): Unit {
  const outside = [min - 1, max + 1, -(2 ** 32), 2 ** 32, 2 ** 33, -(2 ** 53), 2 ** 53];
  const wrong = [...NOT_NUMBERS, ...NOT_INTEGERS, ...outside.filter((n) => n < min || n > max)];
  return { right: () => [right], wrong: () => [pick(wrong)] };
}

export const INT = 2 ** 31;
export const fd = integers(0, INT - 1, sys.eventfd(0, 0));
export const int = integers(-INT, INT - 1, 0);
export const uint = integers(0, 2 ** 32 - 1, 0);
/** Of either sign. */
export const mask = integers(-INT, 2 ** 32 - 1, 0);
