/**
 * The soak: a great many connections that behave in all the ways clients do, and then a look whether
 * the server is as it was before.
 *
 *   npm run soak                            200,000 connections
 *   npm run soak -- --connections 20000 --seed 7
 *
 * First a warm-up, after which the base is taken: what is made once (buffers, compiled code, the
 * waiter thread) is no leak. Then, in this process, the churn: connections that are killed at random
 * while others take their fd numbers, where no message may come to another. Ends with 1 if something
 * is not back at its base, or if an answer was not what it must be.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { churn } from '../faults/programs/churn';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import type { Order, Places, Progress, ServerReport } from './messages';

const MIB = 1024 * 1024;
const PROCESSES = 2;
const CONCURRENCY = 128;
const WARM_UP = 2_000;
/** A round of the churn makes about 18 connections, and 10 pairs of sockets. */
const CONNECTIONS_PER_ROUND = 20;
/** What may be more than at the base. Memory is no exact thing: pages are given back late, or never. */
const HEAP_TOLERANCE_BYTES = 8 * MIB;
const RSS_TOLERANCE_BYTES = 64 * MIB;
/** How long the last deadlines of the server may take. */
const SETTLE_MS = 120_000;

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
  },
});
const total = Number(values.connections);
const seed = Number(values.seed);
if (!Number.isInteger(total) || total < 1 || !Number.isInteger(seed)) {
  throw new RangeError('--connections and --seed must be integers, and --connections above 0');
}

const children: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

function start(name: string): ChildProcess {
  const execArgv = [...RUNS_TYPESCRIPT, '--expose-gc'];
  const child = fork(join(__dirname, name), { execArgv });
  children.push(child);
  child.once('exit', (code, signal) => {
    if (!child.connected) return;
    console.log(`${name} has ended: ${signal ?? code}`);
    process.exit(1);
  });
  return child;
}

const answer = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve) => child.once('message', (message) => resolve(message as T)));

/** Have `connections` made by all the processes of clients; progress is told about once in 5 s. */
async function load(
  clients: ChildProcess[],
  order: Omit<Order, 'concurrency'>,
): Promise<{ done: Record<string, number>; wrong: Record<string, number> }> {
  const latest = new Map<ChildProcess, Progress>();
  const sum = (key: 'done' | 'wrong'): Record<string, number> => {
    const all: Record<string, number> = {};
    for (const progress of latest.values()) {
      for (const [name, count] of Object.entries(progress[key]))
        all[name] = (all[name] ?? 0) + count;
    }
    return all;
  };
  const began = performance.now();
  const ticker = setInterval(() => {
    const done = Object.values(sum('done')).reduce((all, count) => all + count, 0);
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${seconds.toFixed(0)} s: ${done} connections, ${(done / seconds).toFixed(0)} a second`,
    );
  }, 5_000);
  await Promise.all(
    clients.map((child, index) => {
      const share = Math.ceil(order.connections / clients.length);
      child.send({
        ...order,
        connections: Math.min(share, order.connections - index * share),
        concurrency: CONCURRENCY,
        seed: order.seed * 1_000 + index,
      } satisfies Order);
      return new Promise<void>((resolve) => {
        const onMessage = (progress: Progress): void => {
          latest.set(child, progress);
          if (!progress.finished) return;
          child.off('message', onMessage);
          resolve();
        };
        child.on('message', onMessage);
      });
    }),
  );
  clearInterval(ticker);
  return { done: sum('done'), wrong: sum('wrong') };
}

async function ask(server: ChildProcess): Promise<ServerReport> {
  server.send('report');
  return answer<ServerReport>(server);
}

/** What must be as at the base; the first that is not, with its numbers. */
function differences(base: ServerReport, now: ServerReport): string[] {
  const exact = ['open', 'fds', 'watched', 'timers'] as const;
  const found = exact
    .filter((name) => now[name] !== base[name])
    .map((name) => `${name}: ${base[name]} before, ${now[name]} now`);
  const heap = now.heapUsed + now.external - base.heapUsed - base.external;
  if (heap > HEAP_TOLERANCE_BYTES) found.push(`heap: ${mib(heap)} more than before`);
  const rss = now.rss - base.rss;
  if (rss > RSS_TOLERANCE_BYTES) found.push(`RSS: ${mib(rss)} more than before`);
  return found;
}

/** Ask until the server has nothing open any more, and is as it was at the base if there is one. */
async function settled(server: ChildProcess, base: ServerReport | null): Promise<ServerReport> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const report = await ask(server);
    const isDone =
      base === null
        ? report.open === 0 && report.timers === 0
        : differences(base, report).length === 0;
    if (isDone || performance.now() > deadline) return report;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Fd numbers with many owners, under both triggers. Returns what was wrong. */
async function churnAll(): Promise<string[]> {
  const found: string[] = [];
  const rounds = Math.ceil(total / CONNECTIONS_PER_ROUND);
  for (const trigger of ['level', 'edge'] as const) {
    const openFds = (): number => readdirSync('/proc/self/fd').length;
    const fds = openFds();
    const report = await churn({ seed, rounds, trigger });
    const { connections, pairs, reused, stale, messages, crossed, watched, timers } = report;
    console.log(
      `churn, ${trigger.padEnd(5)}  ${connections} connections, ${pairs} pairs, ${reused} numbers reused, ${stale} stale events dropped, ${messages} messages, ${crossed} crossed`,
    );
    const left = { crossed, watched, timers, fds: openFds() - fds };
    for (const [name, count] of Object.entries(left)) {
      if (count !== 0) found.push(`churn, ${trigger}: ${name} ${count}`);
    }
    if (reused < rounds || stale < rounds) found.push(`churn, ${trigger}: it was none`);
  }
  return found;
}

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
const list = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

async function main(): Promise<void> {
  const server = start('server.ts');
  const places = await answer<Places>(server);
  const clients = Array.from({ length: PROCESSES }, () => start('clients.ts'));
  await load(clients, { places, connections: Math.min(WARM_UP, total), seed: seed + 1 });
  const base = await settled(server, null);
  const began = performance.now();
  const { done, wrong } = await load(clients, { places, connections: total, seed });
  const seconds = (performance.now() - began) / 1000;
  const now = await settled(server, base);
  const found = differences(base, now);
  const accepted = now.accepted - base.accepted;
  console.log(`
connections   ${total} in ${seconds.toFixed(0)} s: ${(total / seconds).toFixed(0)} a second
  by kind     ${list(done)}
  wrong       ${list(wrong)}
server        ${((now.cpuMs - base.cpuMs) / 1000).toFixed(1)} s of CPU, ${accepted} served, ${mib(now.bytes - base.bytes)}, ${now.events - base.events} events, ${now.staleEvents - base.staleEvents} stale
  errors      ${list(now.errors)} (with the warm-up)
              base      now
  open        ${String(base.open).padEnd(10)}${now.open}
  fds         ${String(base.fds).padEnd(10)}${now.fds}
  watched     ${String(base.watched).padEnd(10)}${now.watched}
  timers      ${String(base.timers).padEnd(10)}${now.timers}
  heap        ${mib(base.heapUsed + base.external).padEnd(10)}${mib(now.heapUsed + now.external)}
  RSS         ${mib(base.rss).padEnd(10)}${mib(now.rss)}
`);
  found.push(...(await churnAll()));
  if (now.errors['uncaught'] !== undefined)
    found.push(`uncaught exceptions: ${now.errors['uncaught']}`);
  if (Object.keys(wrong).length > 0) found.push(`wrong answers: ${list(wrong)}`);
  console.log(
    found.length === 0 ? 'everything is back at its base' : `NOT as before: ${found.join('; ')}`,
  );
  process.exitCode = found.length === 0 ? 0 : 1;
  for (const child of children) {
    child.removeAllListeners('exit');
    child.disconnect();
  }
}

void main();
