/**
 * The arguments of `send`, `ping` and `pong`, which may stand as they do in the package `ws`: options
 * and the callback, or the callback alone. Everything is checked before a byte is sent. Allocates
 * nothing.
 */
import { types } from 'node:util';
import { checkOptions, invalidType, outOfRange, refuseExtra } from '../base/check';
import { wrongValue } from '../base/errors';
import type { WriteCallback } from '../bytes/write-queue';
import { MAX_CONTROL_BYTES, OPCODE_BINARY, OPCODE_TEXT } from './protocol';

const { isUint8Array } = types;

/** Options of {@link WebSocketConnection.send}. */
export interface SendOptions {
  /** Send a binary message, or a text. As `data` is if not given: bytes are binary, strings text. */
  binary?: boolean | undefined;
  /** In the place of the argument `callback`. */
  callback?: WriteCallback | undefined;
}

const OPTIONS = ['binary', 'callback'] as const;
const EMPTY = Buffer.alloc(0);

/** The options of a call, if it has any: the argument may be the callback. */
export function optionsOf(
  second: SendOptions | WriteCallback | undefined,
): SendOptions | undefined {
  if (second === undefined || typeof second === 'function') return undefined;
  checkOptions('WebSocketConnection.send', second, OPTIONS);
  return second;
}

/** The callback of `send(data, second, third)`. */
export function callbackOf(
  second: SendOptions | WriteCallback | undefined,
  third: WriteCallback | undefined,
  noMore: undefined,
): WriteCallback | undefined {
  const isFirst = typeof second === 'function';
  refuseExtra('send', isFirst ? third : noMore, 'the callback is the last one');
  const option = isFirst ? second : second?.callback;
  if (third !== undefined && option !== undefined && !isFirst) {
    throw wrongValue('send has two callbacks: options.callback and the argument "callback"');
  }
  const callback = option ?? third;
  if (callback !== undefined && typeof callback !== 'function') {
    throw invalidType('callback', 'a function', callback);
  }
  return callback;
}

/** What `data` is sent as; throws a TypeError for what is no message. */
export function opcodeOf(data: string | Uint8Array, binary: boolean | undefined): number {
  if (binary !== undefined && typeof binary !== 'boolean') {
    throw invalidType('options.binary', 'a boolean', binary);
  }
  if (typeof data === 'string') return binary === true ? OPCODE_BINARY : OPCODE_TEXT;
  if (!isUint8Array(data)) throw invalidType('data', 'a string, a Buffer or a Uint8Array', data);
  return binary === false ? OPCODE_TEXT : OPCODE_BINARY;
}

/** The bytes of a ping or a pong. */
export function controlData(data: string | Uint8Array | WriteCallback | undefined): Uint8Array {
  if (data === undefined || typeof data === 'function') return EMPTY;
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  if (!isUint8Array(bytes)) throw invalidType('data', 'a string, a Buffer or a Uint8Array', bytes);
  if (bytes.byteLength > MAX_CONTROL_BYTES) {
    throw outOfRange('data.byteLength', `<= ${MAX_CONTROL_BYTES}`, bytes.byteLength);
  }
  return bytes;
}

/**
 * The callback of `ping(data, mask, callback)`, of which each may be left out. `mask` is there as
 * `ws` has it; a server must not mask (RFC 6455, section 5.1).
 */
export function controlCallback(
  name: 'ping' | 'pong',
  first: unknown,
  second: unknown,
  third: unknown,
): WriteCallback | undefined {
  if (typeof first === 'function') {
    refuseExtra(name, second ?? third, 'the callback is the last one');
    return first as WriteCallback;
  }
  if (typeof second === 'function') {
    refuseExtra(name, third, 'the callback is the last one');
    return second as WriteCallback;
  }
  if (second !== undefined && second !== false) {
    throw invalidType('mask', 'false, as servers do not mask, or the callback', second);
  }
  if (third !== undefined && typeof third !== 'function') {
    throw invalidType('callback', 'a function', third);
  }
  return third as WriteCallback | undefined;
}
