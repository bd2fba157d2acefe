/**
 * A few fds that are kept for files: when connections have all others, an answer can still open its
 * file.
 *
 * They belong to this thread, and are kept while a server of ours speaks HTTP and files have been
 * requested. One is closed for an open(2) that follows at once, in the same turn, so that no
 * connection of this thread gets its number; another thread may. It is opened again when a file is
 * closed.
 */
import { SpareFd } from '../net/server/spare-fd';
import type { StreamServer } from '../net/server/stream-server';

/** One file needs two of them while it is opened, and then one. */
const COUNT = 4;

const FULL_TABLE: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE']);

let isWanted = false;
let serverCount = 0;
let spares: SpareFd[] = [];

/** This thread serves files from now on. */
export function wantFileFds(): void {
  isWanted = true;
  keep();
}

/** `server` speaks HTTP, until it is closed. */
export function keepFileFds(server: StreamServer): void {
  serverCount += 1;
  keep();
  server.once('close', () => {
    serverCount -= 1;
    if (serverCount > 0) return;
    for (const spare of spares) spare.give();
    spares = [];
  });
}

/** Open the given-up fds again, as far as there is room: a file has been closed. */
export function refillFileFds(): void {
  for (const spare of spares) {
    if (!spare.take()) return;
  }
}

/**
 * Close a spare fd and call `open`, which opens one fd and has failed with `error` for lack of fds.
 * Throws `error` if there is no spare fd.
 */
export function openBySpare(error: unknown, open: () => number): number {
  if (!FULL_TABLE.has((error as NodeJS.ErrnoException).code)) throw error;
  if (!spares.some((spare) => spare.give())) throw error;
  return open();
}

function keep(): void {
  if (!isWanted || serverCount === 0 || spares.length > 0) return;
  spares = Array.from({ length: COUNT }, () => new SpareFd());
}
