/**
 * Argument checks that run before every call into C. A wrong argument is the caller's mistake:
 * TypeError for a wrong kind, RangeError for a wrong value, both with Node's codes, the argument's
 * name and the received value.
 */
import { inspect, types } from 'node:util';
import { type Coded, wrongRange, wrongType, wrongValue } from './errors';
import { foreignName } from './foreign-names';

const { isInt32Array, isUint32Array, isUint8Array } = types;

// The getters themselves: an object's own `byteLength`, or a subclass's, could return any value.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
function getterOf<T>(name: 'buffer' | 'byteLength' | 'byteOffset'): (this: Bytes) => T {
  return Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: Bytes) => T;
}
const byteLength = getterOf<number>('byteLength');
const byteOffset = getterOf<number>('byteOffset');
const bufferOf = getterOf<ArrayBuffer>('buffer');

/** The smallest C `int`. */
export const INT32_MIN = -0x8000_0000;
/** The largest C `int`. */
export const INT32_MAX = 0x7fff_ffff;
/** The largest C `unsigned int`. */
export const UINT32_MAX = 0xffff_ffff;

/** Any view that koffi passes as a pointer without a copy. koffi copies a DataView. */
export type Bytes = Uint8Array | Uint32Array | Int32Array;

/** A TypeError that says which argument had the wrong type. */
export function invalidType(name: string, expected: string, received: unknown): Coded<TypeError> {
  return wrongType(`The "${name}" argument must be ${expected}. Received ${describe(received)}`);
}

/** A RangeError that names the argument and its range. */
export function outOfRange(name: string, range: string, received: unknown): Coded<RangeError> {
  const text = `The value of "${name}" is out of range. It must be ${range}. Received ${describe(received)}`;
  return wrongRange(text);
}

/**
 * Refuse a callback, or an encoding before it, where Node's users pass one and nothing here would
 * call it. `instead` names the right place for it.
 */
export function refuseExtra(call: string, extra: unknown, instead: string): void {
  if (extra === undefined) return;
  const text = `${call} takes no further argument: ${instead}. Received ${describe(extra)}`;
  throw wrongType(text);
}

/** `value` for a message: on one line, and shortened if it is long. */
export function describe(value: unknown): string {
  const text = inspect(value, {
    depth: 0,
    maxStringLength: 64,
    maxArrayLength: 0,
    breakLength: Infinity,
    compact: true,
    customInspect: false,
  });
  return text.length > 128 ? `${text.slice(0, 128)}...` : text;
}

/** `value` must be an integer from `min` to `max`. */
export function checkInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw outOfRange(name, `an integer >= ${min} and <= ${max}`, value);
  }
}

/** A C `int` of any sign. */
export function checkInt(name: string, value: unknown): void {
  if (typeof value !== 'number' || (value | 0) !== value) {
    checkInteger(name, value, INT32_MIN, INT32_MAX);
  }
}

/** A C `unsigned int`. */
export function checkUint(name: string, value: unknown): void {
  if (typeof value !== 'number' || value >>> 0 !== value) {
    checkInteger(name, value, 0, UINT32_MAX);
  }
}

/**
 * A mask, signed or unsigned. `|` returns a negative number when bit 31 is set, and EPOLLET is bit
 * 31. Returns the mask unsigned.
 */
export function checkMask(name: string, value: unknown): number {
  if (typeof value !== 'number' || (value >>> 0 !== value && (value | 0) !== value)) {
    checkInteger(name, value, INT32_MIN, UINT32_MAX);
  }
  return (value as number) >>> 0;
}

/** `value` must be an object. */
export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value);
}

/** `options` must be an object, and must have no other names than `names`. */
export function checkOptions(
  owner: string,
  options: unknown,
  names: readonly string[],
): asserts options is object {
  if (typeof options !== 'object' || options === null) {
    throw invalidType('options', 'an object', options);
  }
  // Makes no list of the names, because each wait checks its options.
  for (const name in options) {
    if (!names.includes(name)) throw unknownOption(owner, name, names);
  }
}

function unknownOption(owner: string, name: string, names: readonly string[]): Coded<TypeError> {
  const there = foreignName(owner, name);
  const hint = there === undefined ? `there is ${names.join(', ')}` : `see ${there}`;
  const text = `Invalid options of ${owner}: unrecognized "${name}" (${hint})`;
  return wrongValue(text);
}

/** A file descriptor: an integer from 0 to 2**31 - 1. Only the kernel knows whether it is open. */
export function checkFd(value: unknown, name = 'fd'): void {
  if (typeof value !== 'number' || (value & INT32_MAX) !== value) {
    checkInteger(name, value, 0, INT32_MAX);
  }
}

/** `view` must have at least `length` bytes. Detached and shrunk buffers have none. */
export function checkBytes(view: unknown, length: unknown, name = 'buffer'): void {
  if (!isUint8Array(view)) throw invalidType(name, 'a Buffer or Uint8Array', view);
  checkLength(length, byteLength.call(view));
}

/** As {@link checkBytes}; a `length` of undefined means all bytes. Returns the length. */
export function checkPart(view: unknown, length: number | undefined, name = 'buffer'): number {
  if (!isUint8Array(view)) throw invalidType(name, 'a Buffer or Uint8Array', view);
  const available = byteLength.call(view);
  if (length === undefined) return available;
  checkLength(length, available);
  return length;
}

/** A buffer that is used whole. Returns its true length, which C needs. */
export function checkWhole(view: unknown, name: string): number {
  if (!isUint8Array(view) && !isUint32Array(view) && !isInt32Array(view)) {
    throw invalidType(name, 'a Uint8Array, Uint32Array or Int32Array', view);
  }
  return byteLength.call(view);
}

/** A buffer that holds at least `minimum` bytes. */
export function checkRoom(view: unknown, minimum: number, name: string): void {
  const length = checkWhole(view, name);
  if (length < minimum) throw outOfRange(`${name}.byteLength`, `>= ${minimum}`, length);
}

/** `length` must be an integer from 0 to `available`. */
function checkLength(length: unknown, available: number): void {
  if (typeof length !== 'number' || length >>> 0 !== length || length > available) {
    checkInteger('length', length, 0, available);
  }
}

const NOTHING = new ArrayBuffer(0);

/** The bytes of a checked view, whatever its class or its own fields claim. */
export function bytesOf(view: Bytes): Uint8Array {
  const length = byteLength.call(view);
  // A detached view has no buffer for another view.
  if (length === 0) return new Uint8Array(NOTHING);
  return new Uint8Array(bufferOf.call(view), byteOffset.call(view), length);
}

/** As {@link bytesOf}, to read and write numbers. */
export function dataOf(view: Bytes): DataView {
  const length = byteLength.call(view);
  if (length === 0) return new DataView(NOTHING);
  return new DataView(bufferOf.call(view), byteOffset.call(view), length);
}
