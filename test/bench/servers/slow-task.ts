/** The slow work of slow-tasks.ts: a hash of some 50 ms. */
import { scryptSync } from 'node:crypto';

export function hash(password: string): Buffer {
  return scryptSync(password, 'salt', 32);
}
