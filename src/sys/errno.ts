/**
 * errno numbers, their names, and the error that the layers above throw when a system call fails
 * unexpectedly.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { checkInt, checkObject, invalidType } from '../base/check';

/** Error numbers by name, positive as in `<errno.h>`: `errno.EAGAIN === 11`. */
export const errno: Readonly<typeof constants.errno> = constants.errno;

const names = new Map<number, string>();
for (const [name, value] of Object.entries(errno)) {
  // EWOULDBLOCK and ENOTSUP are second names of EAGAIN and EOPNOTSUPP: the first one listed stays.
  if (!names.has(value)) names.set(value, name);
}

/** The name of an error number, positive or negative: `errnoName(-11) === 'EAGAIN'`. */
export function errnoName(value: number): string {
  checkInt('value', value);
  return names.get(Math.abs(value)) ?? `errno ${Math.abs(value)}`;
}

/** The text for an error number, positive or negative: "resource temporarily unavailable". */
export function errnoText(value: number): string {
  checkInt('value', value);
  return getSystemErrorMap().get(-Math.abs(value))?.[1] ?? 'unknown error';
}

/** The details of a failed call, for people and for programs. */
export interface SystemErrorDetail {
  /** One clause that names the problem, with the value: "fd 5 is a regular file". */
  reason?: string;
  fd?: number;
  address?: string;
  port?: number;
}

/**
 * A system call failed. Has the fields of Node's own system errors: `code` ("EADDRINUSE"), `errno`
 * (negative, as in Node), `syscall` ("bind"), and `fd`, `address`, `port` where they are known.
 */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  declare readonly fd?: number;
  declare readonly address?: string;
  declare readonly port?: number;

  /** `value` is an errno of either sign, as `sys` functions return it. */
  constructor(syscall: string, value: number, detail: SystemErrorDetail = {}) {
    if (typeof syscall !== 'string') throw invalidType('syscall', 'a string', syscall);
    checkObject('detail', detail);
    const { reason, ...where } = detail;
    const code = errnoName(value);
    super(`${syscall} ${code}: ${reason ?? errnoText(value)}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = -Math.abs(value);
    this.syscall = syscall;
    Object.assign(this, where);
  }
}

/** Pass `n >= 0` through; throw a {@link SystemError} for `-errno`. */
export function unwrap(n: number, syscall: string, detail?: SystemErrorDetail): number {
  if (typeof n !== 'number') throw invalidType('n', 'a number', n);
  if (n < 0) throw new SystemError(syscall, n, detail);
  return n;
}
