/** A file of random bytes. */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { memoryFile } from '../../support/files';

export const MIB = 1024 * 1024;

/** A file in memory with random bytes. */
export function fileOf(size: number): { fd: number; content: Buffer } {
  const [fd, content] = [memoryFile(), randomBytes(size)];
  expect(writeSync(fd, content)).toBe(size);
  return { fd, content };
}
