/**
 * Tells what memory the process holds. For each line with a number on stdin: waits until there are so
 * many connections, collects garbage, and prints a line of JSON. Needs --expose-gc; does nothing
 * without.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import koffi from 'koffi';

const LOOK_AGAIN_MS = 20;
/**
 * A thread that starts, or a compiler at work, holds memory that it will give back: look until two
 * looks agree so well, or so often.
 */
const SETTLED_BYTES = 1_024;
const MAX_LOOKS = 100;
/** One collection leaves what finalizers and weak references held. */
const COLLECTIONS = 4;

/** What glibc has given out: of its arenas, and by mmap(2). Nothing with another libc. */
const MALLOC_FIELDS = [
  'arena',
  'ordblks',
  'smblks',
  'hblks',
  'hblkhd',
  'usmblks',
  'fsmblks',
  'uordblks',
  'fordblks',
  'keepcost',
] as const;
type MallocInfo = Record<(typeof MALLOC_FIELDS)[number], number>;

/** Answer what is asked on stdin; `connections` tells how many there are. */
export function answerMemory(connections: () => number): void {
  const collect = globalThis.gc;
  if (collect === undefined) return;
  const mallocInfo = bindMallocInfo();
  const heldBytes = (): number => {
    for (let each = 0; each < COLLECTIONS; each += 1) collect();
    const { heapUsed, external } = process.memoryUsage();
    const malloc = mallocInfo?.();
    // Array buffers (external) are made by malloc.
    return heapUsed + (malloc === undefined ? external : malloc.uordblks + malloc.hblkhd);
  };
  const settle = async (): Promise<number> => {
    let [before, now] = [Infinity, heldBytes()];
    for (let look = 0; look < MAX_LOOKS && Math.abs(now - before) > SETTLED_BYTES; look += 1) {
      await pause(LOOK_AGAIN_MS);
      [before, now] = [now, heldBytes()];
    }
    return now;
  };
  const answer = async (count: number): Promise<void> => {
    while (connections() !== count) await pause(LOOK_AGAIN_MS);
    const heapBytes = await settle();
    console.log(JSON.stringify({ heapBytes, residentBytes: privateDirty() }));
  };
  createInterface({ input: process.stdin }).on('line', (line) => void answer(Number(line)));
}

function bindMallocInfo(): (() => MallocInfo) | null {
  const fields = Object.fromEntries(MALLOC_FIELDS.map((field) => [field, 'size_t']));
  try {
    return koffi.load(null).func('mallinfo2', koffi.struct(fields), []);
  } catch {
    return null;
  }
}

function privateDirty(): number {
  const smaps = readFileSync('/proc/self/smaps_rollup', 'utf8');
  return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(smaps)?.[1]) * 1_024;
}
