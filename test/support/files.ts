/** Files and pipes for the tests; those without a name are closed when the test is over. */
import { randomBytes } from 'node:crypto';
import { fstatSync, ftruncateSync, readSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import * as constants from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import { lseek, memfdCreate, pipe2 } from '../../src/sys/fds';
import { closeLater } from './fds';

const { MFD_CLOEXEC, O_CLOEXEC, O_NONBLOCK, SEEK_CUR } = constants;

/** A file in memory that holds `text` at `position`, and zeros that take no room before it. */
export function memoryFile(text = '', position = 0): number {
  const fd = closeLater(unwrap(memfdCreate('test', MFD_CLOEXEC), 'memfd_create'));
  ftruncateSync(fd, position);
  if (text !== '') writeSync(fd, text, position);
  return fd;
}

/** The bytes of a file from `position` to its end, as text. */
export function textOf(fd: number, position = 0): string {
  const buffer = Buffer.alloc(fstatSync(fd).size - position);
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, position));
}

/** Where the next read or write of `fd` happens. */
export function positionOf(fd: number): number {
  return lseek(fd, 0, SEEK_CUR);
}

/** A non-blocking pipe. */
export function pipe(): { reader: number; writer: number } {
  const fds = new Int32Array(2);
  unwrap(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 'pipe2');
  return { reader: closeLater(fds[0] as number), writer: closeLater(fds[1] as number) };
}

/** A file with random bytes, which was written long ago. Returns the bytes. */
export function writeOld(path: string, content: number | string): Buffer {
  const bytes = typeof content === 'number' ? randomBytes(content) : Buffer.from(content);
  writeFileSync(path, bytes);
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  return bytes;
}
