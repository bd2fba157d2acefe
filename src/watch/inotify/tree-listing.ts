/** The listing of an open directory, for {@link InotifyTree}. */
import { readdirSync } from 'node:fs';

/** Latin-1 names, one character per byte, and whether each is a directory. */
export type Listing = Map<string, boolean>;

/** The entries of the directory `fd`, or -errno. The fd may be an O_PATH one. */
export function list(fd: number): Listing | number {
  const options = { withFileTypes: true, encoding: 'buffer' } as const;
  // The types of Node 20 do not know that names are buffers here.
  let entries: { name: Buffer; isDirectory(): boolean }[];
  try {
    entries = readdirSync(`/proc/self/fd/${fd}`, options) as unknown as typeof entries;
  } catch (error) {
    const { errno: outcome } = error as NodeJS.ErrnoException;
    if (outcome === undefined) throw error;
    return outcome;
  }
  return new Map(entries.map((entry) => [entry.name.toString('latin1'), entry.isDirectory()]));
}
