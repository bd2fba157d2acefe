/** The fds of this process, as /proc tells of them. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Each open fd with its target: a path, or `socket:[...]` and the like. */
export function openFds(): Map<number, string> {
  const fds = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      fds.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The directory's own fd, which is closed by now.
    }
  }
  return fds;
}

/** How many fds are open on `path`. */
export function openCount(path: string): number {
  return [...openFds().values()].filter((target) => target === path).length;
}

/** How many fds are sockets. */
export function socketCount(): number {
  return [...openFds().values()].filter((target) => target.startsWith('socket:')).length;
}
