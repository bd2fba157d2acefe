/**
 * Bytes of user space for each idle TCP connection, over which one message has gone.
 *
 * A server is asked after a full garbage collection, with no connection and with so many; the
 * difference is shared out. `heapBytes` is the JavaScript heap and what malloc(3) has given out, which
 * is what the connections need. `residentBytes` is the memory the process has written to
 * (Private_Dirty), which counts whole pages, and free lists too. What the kernel needs is in neither.
 */
import type { Effort } from './contest';
import { Program, script } from './programs';
import { median, type Report, type Row } from './report';

const COUNTS = [1_000, 5_000, 15_000];
/** They come and go first, so that compiled code and first tables are not counted. */
const REHEARSAL = 500;
/** Few are enough: only page counts differ between rounds. */
const MAX_ROUNDS = 3;
/** A large young generation would hide what is measured among pages of garbage. */
const FLAGS = ['--expose-gc', '--max-semi-space-size=1'];

const CONTENDERS = {
  ours: flagged('servers/ours.ts'),
  'ours, edge': flagged('servers/ours.ts', 'edge'),
  'ours, all deadlines': flagged('servers/ours.ts', 'deadlines'),
  'node:net': flagged('servers/node-net.ts'),
};

interface Held {
  heapBytes: number;
  residentBytes: number;
}

/** One case for each number of connections. */
export function idle(): {
  name: string;
  measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>>;
}[] {
  return COUNTS.map((count) => {
    const name = `${count} idle connections`;
    return { name, measure: (effort) => measure(name, count, Math.min(effort.rounds, MAX_ROUNDS)) };
  });
}

async function measure(
  name: string,
  count: number,
  rounds: number,
): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const all = new Map(Object.keys(CONTENDERS).map((contender) => [contender, [] as Held[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [contender, command] of Object.entries(CONTENDERS)) {
      all.get(contender)?.push(await heldBy(command, count));
    }
  }
  const rows: Row[] = [...all].map(([contender, each]) => ({
    case: name,
    contender,
    heapBytes: median(each.map(({ heapBytes }) => heapBytes)),
    residentBytes: median(each.map(({ residentBytes }) => residentBytes)),
  }));
  const bytesOf = (contender: keyof typeof CONTENDERS): number =>
    rows.find((row) => row.contender === contender)?.heapBytes ?? Number.NaN;
  const ratio = bytesOf('ours') / bytesOf('node:net');
  return { rows, ratios: { [`${name} heap bytes ours/node:net`]: ratio } };
}

async function heldBy(command: [string, ...string[]], count: number): Promise<Held> {
  const server = new Program(command);
  const port = await server.line();
  const client = new Program([...script('loads/idle.ts'), port]);
  const heldWith = async (connections: number): Promise<Held> => {
    client.tell(`${connections}`);
    await client.line();
    server.tell(`${connections}`);
    return JSON.parse(await server.line());
  };
  try {
    await heldWith(REHEARSAL);
    const before = await heldWith(0);
    const after = await heldWith(count);
    return {
      heapBytes: (after.heapBytes - before.heapBytes) / count,
      residentBytes: (after.residentBytes - before.residentBytes) / count,
    };
  } finally {
    client.kill();
    server.kill();
  }
}

function flagged(file: string, ...args: string[]): [string, ...string[]] {
  const [node, ...rest] = script(file);
  return [node, ...FLAGS, ...rest, ...args];
}
