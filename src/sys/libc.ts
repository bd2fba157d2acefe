/**
 * The door to C: libc as koffi sees it, and the one reader of errno.
 *
 * Only the other files of this folder call `declare`, at import time. The functions that it returns
 * check nothing; their callers in this folder must, because koffi turns `NaN` into 0 and believes
 * any length.
 */
import './platform';
import { constants } from 'node:os';
import koffi, { type node, type TypeObject } from 'koffi';

type NativeArgument = number | bigint | string | ArrayBufferView | null;

/** A libc function. Returns the result of C; a `char *` becomes a string, NULL becomes null. */
export type NativeFunction<R> = (...args: NativeArgument[]) => R;

type ParameterType = string | TypeObject;

// The process itself: glibc and musl are both linked in, whatever file they live in.
const libc = koffi.load(null);

/** Bind `name` with the C types of its result and parameters. */
export function declare(
  result: 'int' | 'int64_t',
  name: string,
  parameters: ParameterType[],
): NativeFunction<number>;
/** As above, for a function that returns text. */
export function declare(
  result: 'str',
  name: string,
  parameters: ParameterType[],
): NativeFunction<string | null>;
/** As above, for a function that returns nothing. */
export function declare(
  result: 'void',
  name: string,
  parameters: ParameterType[],
): NativeFunction<void>;
/** All of them. */
export function declare(
  result: string,
  name: string,
  parameters: ParameterType[],
): NativeFunction<unknown> {
  return libc.func(name, result, parameters);
}

/**
 * As {@link declare}, for a function younger than our oldest libc; if it is missing, a call is
 * ENOSYS.
 */
export function declareOptional(
  result: 'int' | 'int64_t',
  name: string,
  parameters: ParameterType[],
): NativeFunction<number> {
  try {
    return declare(result, name, parameters);
  } catch {
    return () => {
      koffi.errno(constants.errno.ENOSYS);
      return -1;
    };
  }
}

/** The address of a libc function, for a C function that takes one. */
export function addressOf(name: string): bigint {
  return libc.symbol(name);
}

/**
 * As {@link declare}, for a function with an `off_t` or `rlim_t`: binds the variant with 64 bits.
 * On 32-bit glibc that is `<name>64`; musl has only the plain one, which is 64 bits wide.
 */
export function declareWide(
  result: 'int' | 'int64_t',
  name: string,
  parameters: ParameterType[],
): NativeFunction<number> {
  try {
    return declare(result, `${name}64`, parameters);
  } catch {
    return declare(result, name, parameters);
  }
}

/** A pointer to `type`; every typed array is accepted for it, and passed without a copy. */
export function pointerTo(type: ParameterType): TypeObject {
  return koffi.pointer(type);
}

/**
 * Turn C's "-1 and errno" into the kernel's own "`n >= 0` or `-errno`".
 *
 * errno is live and any other call may change it, so this must wrap the call itself:
 * `result(read(fd, buffer, length))`.
 */
export function result(value: number): number {
  return value < 0 ? -koffi.errno() : value;
}

/** A struct of C: names and types in order. Anonymous, because koffi's names are global per thread. */
export function struct(fields: Record<string, ParameterType>): TypeObject {
  return koffi.struct(fields);
}

/** As {@link struct}, without padding. */
export function packedStruct(fields: Record<string, ParameterType>): TypeObject {
  return koffi.pack(fields);
}

/** A union of C. */
export function union(members: Record<string, ParameterType>): TypeObject {
  return koffi.union(members);
}

/** An array of C inside a struct. */
export function array(type: ParameterType, length: number): TypeObject {
  return koffi.array(type, length);
}

/** `sizeof(type)`. */
export function sizeOf(type: ParameterType): number {
  return koffi.sizeof(type);
}

/** `offsetof(type, member)`. */
export function offsetOf(type: ParameterType, member: string): number {
  return koffi.offsetof(type, member);
}

/** The address of `memory`. The caller must hold it for as long as C may use the address. */
export function addressOfMemory(memory: ArrayBuffer | ArrayBufferView): bigint {
  return koffi.address(memory);
}

/** This thread's `node_api_basic_env`, for functions of Node-API. */
export const environment = koffi.node.env as unknown as bigint;

/** The result of {@link watchByLibuv}. */
export type LibuvPoll = node.PollHandle;

/** A `uv_poll_t` of this thread's loop on `fd`; see uv-poll.ts for its limits. */
export function watchByLibuv(
  fd: number,
  events: { readable: true },
  callback: () => void,
): LibuvPoll {
  return koffi.node.poll(fd, events, callback);
}
