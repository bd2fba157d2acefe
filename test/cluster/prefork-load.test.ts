/** A pool of processes that are killed and replaced while clients come without a pause. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { Prefork } from '../../src/cluster';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';

expectNoFdLeaks();
jest.setTimeout(120_000);

const MODULE = join(__dirname, 'programs/prefork-module.ts');
const PROCESSES = 2;
const CLIENTS = 8;
const KILLS = 8;

async function running(options: object = {}): Promise<Prefork> {
  const pool = new Prefork({
    module: MODULE,
    processes: PROCESSES,
    listen: { port: 0 },
    signals: false,
    restart: { firstPauseMs: 1, longestPauseMs: 20, maxCrashes: 1_000 },
    ...options,
  });
  await pool.start();
  return pool;
}

/** What happened to a connection. */
interface Fate {
  /** Who answered; 0 before the first answer. */
  pid: number;
  answers: number;
  /** Null as long as it goes on, and if it ended as it should. */
  failure: string | null;
}

/** Ask over one connection until it fails or `isOver`. */
function pingOn(port: number, isOver: () => boolean): Promise<Fate> {
  const fate: Fate = { pid: 0, answers: 0, failure: null };
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('ping\n'));
    let begun = '';
    socket.on('data', (chunk) => {
      begun += chunk;
      if (!begun.endsWith('\n')) return;
      const pid = Number(begun);
      if (fate.pid !== 0 && pid !== fate.pid) fate.failure = `${fate.pid} and ${pid} answered`;
      fate.pid = pid;
      fate.answers += 1;
      begun = '';
      if (isOver()) socket.destroy();
      else socket.write('ping\n');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      fate.failure = error.code ?? error.message;
    });
    socket.on('end', () => {
      fate.failure ??= 'ended';
    });
    socket.on('close', () => resolve(fate));
  });
}

test('processes are killed at random under load: only their connections fail', async () => {
  const pool = await running();
  const killed = new Set<number>();
  const fates: Fate[] = [];
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!isOver) fates.push(await pingOn(pool.port, () => isOver));
  });
  let online = PROCESSES;
  pool.on('online', () => {
    online += 1;
  });
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const { processes } = pool;
    const victim = processes[Math.floor(Math.random() * processes.length)];
    killed.add(victim?.pid ?? 0);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    // The pool is whole again.
    await until(() => online === PROCESSES + kill);
  }
  isOver = true;
  await Promise.all(clients);
  expect(pool.processes).toHaveLength(PROCESSES);
  expect((await pool.stats()).crashes).toBe(KILLS);
  await pool.stop();
  const failed = fates.filter(({ failure }) => failure !== null);
  // Cut, and at once: with a reset, or, where nothing was unread, with the end that the kernel sends.
  for (const { failure } of failed) expect(['ECONNRESET', 'EPIPE', 'ended']).toContain(failure);
  // One that had no answer yet may have been in the hands of a process that was killed.
  for (const { pid } of failed) expect([pid, pid === 0 || killed.has(pid)]).toEqual([pid, true]);
  expect(fates.filter(({ pid }) => pid !== 0 && !killed.has(pid)).length).toBeGreaterThan(0);
});

test.each(['inherited', 'reuseport'] as const)(
  'three reloads under load (%s): no connection is refused or lost',
  async (accept) => {
    const pool = await running({ accept });
    const outcomes = new Map<string, number>();
    const pids = new Set<number>();
    let isOver = false;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!isOver) {
        let isAnswered = false;
        const { pid, failure } = await pingOn(pool.port, () => {
          isAnswered = true;
          return true;
        });
        pids.add(pid);
        const outcome = isAnswered ? 'answered' : String(failure);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    });
    const former = new Set(pool.processes.map(({ pid }) => pid));
    for (let reload = 0; reload < 3; reload += 1) {
      const before = pool.processes.map(({ pid }) => pid);
      await pool.reload();
      for (const { pid } of pool.processes) expect(before).not.toContain(pid);
    }
    isOver = true;
    await Promise.all(clients);
    await pool.stop();
    expect([...pids].some((pid) => former.has(pid))).toBe(true);
    expect(pids.size).toBeGreaterThan(PROCESSES);
    if (accept === 'inherited') expect([...outcomes.keys()]).toEqual(['answered']);
    // A socket of its own takes the clients along that wait in its queue when it closes: all of those
    // that were there are accepted first, so a reset is what came in between.
    else expect([...outcomes.keys()].filter((key) => key !== 'ECONNRESET')).toEqual(['answered']);
  },
);

test('a reload whose module is broken leaves the former processes as they are', async () => {
  const pool = await running();
  const before = pool.processes;
  const failing = new Promise<Error>((resolve) => {
    pool.once('exit', ({ isExpected }) => resolve(new Error(String(isExpected))));
  });
  process.env['PREFORK_BROKEN'] = 'yes';
  await expect(pool.reload()).rejects.toMatchObject({ code: 'ERR_PREFORK_MODULE' });
  delete process.env['PREFORK_BROKEN'];
  expect((await failing).message).toBe('false');
  expect(pool.processes).toEqual(before);
  await pool.reload();
  expect(pool.processes).toHaveLength(PROCESSES);
  await pool.stop();
});
