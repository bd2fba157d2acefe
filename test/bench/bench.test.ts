/** That the benchmark runs and tells what it should; never what the figures are. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTs } from '../support/child';
import { findProgram } from '../support/programs';
import { testWith } from '../support/requires';
import type { Report, Row } from './report';

const QUICK = ['--rounds', '1', '--warm-up-ms', '50', '--without-addons'];

async function report(suite: string, only: string, roundMs = 100): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const args = [suite, ...QUICK, '--round-ms', `${roundMs}`, '--case', only, '--out', folder];
    const bench = runTs('test/bench/main.ts', { args });
    expect(await bench.exit()).toEqual({ code: 0, signal: null });
    const kept: Report = JSON.parse(readFileSync(join(folder, `${suite}.json`), 'utf8'));
    for (const name of Object.keys(kept.ratios)) expect(bench.stdout).toContain(name);
    return kept;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a suite prints a table and keeps a report', async () => {
  const { suite, machine, rows, ratios } = await report('echo', '50 connections');
  expect(suite).toBe('echo');
  expect(machine).toContain(process.version);
  expect(rows.map((row) => row.contender).slice(0, 2)).toEqual(['ours', 'ours, edge']);
  for (const row of rows) {
    expect(row.case).toBe('50 connections');
    expect(row.rate).toBeGreaterThan(0);
    expect(row.perCpuSecond).toBeGreaterThan(0);
    expect(row.p50Us).toBeGreaterThan(0);
    expect(row.p99Us).toBeGreaterThanOrEqual(row.p50Us ?? Infinity);
  }
  expect(ratios['50 connections ours/node:net']).toBeGreaterThan(0);
}, 300_000);

test('the suite watch, of what needs no building', async () => {
  const { rows, ratios } = await report('watch', 'every 5 ms');
  expect(rows.map((row) => row.contender)).toEqual(['ours', 'ours, libuv']);
  for (const row of rows) expect(row.p50Us).toBeGreaterThan(0);
  expect(Object.keys(ratios)).toEqual(['write to callback, every 5 ms p50 ours/ours, libuv']);
}, 300_000);

describe('the suite net', () => {
  const testWithCompiler = testWith(findProgram('cc', 'gcc', 'clang'), 'a C compiler');

  function expectWork(rows: Row[], unit: string): void {
    for (const row of rows) {
      expect(row.unit).toBe(unit);
      expect(row.rate).toBeGreaterThan(0);
      expect(row.perCpuSecond).toBeGreaterThan(0);
      expect(row.p99Us).toBeGreaterThanOrEqual(row.p50Us ?? Infinity);
    }
  }

  function contenders(rows: Row[]): string[] {
    return rows.map(({ contender }) => contender);
  }

  testWithCompiler(
    'echo, of messages larger than the C server can always send at once',
    async () => {
      const { rows, ratios } = await report('net', 'echo 16384 B, 50 connections');
      expect(contenders(rows)).toEqual(['ours', 'ours, edge', 'node:net', 'C']);
      expectWork(rows, 'messages');
      expect(ratios['echo 16384 B, 50 connections ours/node:net']).toBeGreaterThan(0);
      expect(ratios['echo 16384 B, 50 connections ours/C']).toBeGreaterThan(0);
    },
    300_000,
  );

  testWithCompiler(
    'connections that come and go, with a message and without',
    async () => {
      const { rows, ratios } = await report('net', 'accept');
      expect(rows.map((row) => row.case)).toEqual([
        ...Array(4).fill('accept, one message, close'),
        ...Array(4).fill('accept, close'),
      ]);
      expectWork(rows, 'connections');
      expect(ratios['accept, one message, close ours/node:net']).toBeGreaterThan(0);
      expect(ratios['accept, close ours/node:net']).toBeGreaterThan(0);
    },
    300_000,
  );

  testWithCompiler(
    'a file, with nginx where it is installed',
    async () => {
      const { rows, ratios } = await report('net', 'file', 300);
      const paced = rows.findIndex((row) => row.case.endsWith('paced as by default'));
      expect(contenders(rows).slice(0, 2)).toEqual(['ours', 'node:http']);
      expect(contenders(rows).slice(paced, paced + 2)).toEqual(['ours', 'node:http']);
      expectWork(rows, 'MiB');
      expect(ratios['file of 10 MiB ours/node:http']).toBeGreaterThan(0);
    },
    300_000,
  );

  testWithCompiler(
    'pingers, alone and beside a flooder',
    async () => {
      const { rows, ratios } = await report('net', 'pingers');
      expect(contenders(rows)).toContain('ours, edge, and a flooder');
      expectWork(rows, 'pings');
      expect(ratios['99 pingers p99 ours, and a flooder/ours']).toBeGreaterThan(0);
    },
    300_000,
  );

  test('memory of idle connections', async () => {
    const { rows, ratios } = await report('net', '1000 idle');
    const ours = ['ours', 'ours, edge', 'ours, all deadlines'];
    expect(contenders(rows)).toEqual([...ours, 'node:net']);
    for (const { heapBytes, residentBytes } of rows) {
      expect([heapBytes, residentBytes].every(Number.isFinite)).toBe(true);
    }
    // Ours are so small that what the process does meanwhile may outweigh a thousand of them.
    expect(rows.at(-1)?.heapBytes).toBeGreaterThan(500);
    expect(ratios['1000 idle connections heap bytes ours/node:net']).toBeDefined();
  }, 300_000);
});

test('the suite load, of the package as it is built', async () => {
  const { rows, ratios } = await report('load', '');
  expect(rows.map((row) => row.contender)).toContain('epoll-ffi, a first watch(0)');
  for (const { loadMs } of rows) expect(loadMs).toBeGreaterThan(0);
  expect(ratios['epoll-ffi, a first watch(0): ms above koffi']).toBeGreaterThan(0);
}, 300_000);

test('the suite threads: a loop beside slow tasks', async () => {
  const { rows, ratios } = await report('threads', 'slow tasks');
  expect(rows.map((row) => row.contender)).toEqual([
    'with tasks',
    'with tasks, nice 0',
    'without',
    'on the loop itself',
  ]);
  for (const row of rows) {
    expect(row.rate).toBeGreaterThan(0);
    expect(row.p99Us).toBeGreaterThanOrEqual(row.p50Us ?? Infinity);
  }
  expect(ratios['echo beside slow tasks p99 with tasks/without']).toBeGreaterThan(0);
}, 300_000);

describe('the suite threads, of reactors', () => {
  const testWithCompiler = testWith(findProgram('cc', 'gcc', 'clang'), 'a C compiler');
  const contenders = (rows: Row[]): string[] => rows.map(({ contender }) => contender);

  function expectWork(rows: Row[], unit: string): void {
    for (const row of rows) {
      expect(row.unit).toBe(unit);
      expect(row.perCpuSecond).toBeGreaterThan(0);
      expect(row.p99Us).toBeGreaterThanOrEqual(row.p50Us ?? Infinity);
    }
  }

  testWithCompiler(
    'wake-ups per accept',
    async () => {
      const { rows, ratios } = await report('threads', 'wake-ups per accept');
      expect(contenders(rows)).toEqual(['exclusive', 'reuseport', 'shared']);
      expectWork(rows, 'clients');
      for (const { wakeUps } of rows) expect(wakeUps).toBeGreaterThan(0);
      expect(ratios['wake-ups per accept exclusive/shared']).toBeGreaterThan(0);
      expect(ratios['wake-ups per accept reuseport/shared']).toBeGreaterThan(0);
    },
    300_000,
  );

  test('echo, beside node:cluster', async () => {
    const { rows, ratios } = await report('threads', 'echo on cores');
    expect(contenders(rows)).toEqual(['2 reactors', '2 of node:cluster', '1 reactor']);
    expectWork(rows, 'messages');
    const name = 'echo on cores 64 B, 50 connections';
    expect(ratios[`${name} 2 reactors/2 of node:cluster`]).toBeGreaterThan(0);
    expect(ratios[`${name} 2 reactors/1 reactor`]).toBeGreaterThan(0);
  }, 300_000);

  testWithCompiler(
    'latency of an idle loop',
    async () => {
      const { rows, ratios } = await report('threads', 'idle loop');
      expect(contenders(rows)).toEqual(['reactor', 'inline reactor', 'waiter thread']);
      expectWork(rows, 'messages');
      expect(ratios['latency of an idle loop p50 reactor/waiter thread']).toBeGreaterThan(0);
      expect(ratios['latency of an idle loop p50 inline reactor/waiter thread']).toBeGreaterThan(0);
    },
    300_000,
  );

  test('hand-over of an fd', async () => {
    const { rows } = await report('threads', 'hand-over');
    expect(contenders(rows)).toEqual(['one at a time', '32 at a time']);
    expectWork(rows, 'hand-overs');
  }, 300_000);
});

test('a suite that does not exist is refused', async () => {
  const bench = runTs('test/bench/main.ts', { args: ['nonsense'] });
  expect(await bench.exit()).toEqual({ code: 1, signal: null });
  expect(bench.stderr).toContain(
    'there is no suite "nonsense", but echo, net, watch, load, threads',
  );
});
