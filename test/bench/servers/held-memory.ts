/**
 * Tells what memory the process holds. For each line with a number on stdin: waits until there are so
 * many connections, collects garbage, and prints a line of JSON. Needs --expose-gc; does nothing
 * without.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import koffi from 'koffi';

const LOOK_AGAIN_MS = 5;
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
  const answer = (count: number): void => {
    if (connections() !== count) {
      setTimeout(answer, LOOK_AGAIN_MS, count);
      return;
    }
    for (let each = 0; each < COLLECTIONS; each += 1) collect();
    const { heapUsed, external } = process.memoryUsage();
    const malloc = mallocInfo?.();
    // Array buffers (external) are made by malloc.
    const outside = malloc === undefined ? external : malloc.uordblks + malloc.hblkhd;
    const held = { heapBytes: heapUsed + outside, residentBytes: privateDirty() };
    console.log(JSON.stringify(held));
  };
  createInterface({ input: process.stdin }).on('line', (line) => answer(Number(line)));
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
