/** That the benchmark runs and tells what it should; never what the figures are. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTs } from '../support/child';
import type { Report } from './report';

const QUICK = ['--rounds', '1', '--round-ms', '300', '--warm-up-ms', '1000', '--without-addons'];

async function report(suite: string, only: string): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const args = [suite, ...QUICK, '--case', only, '--out', folder];
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
    expect(row.p99Us).toBeGreaterThanOrEqual(row.p50Us);
  }
  expect(ratios['50 connections ours/node:net']).toBeGreaterThan(0);
});

test('the suite watch, of what needs no building', async () => {
  const { rows, ratios } = await report('watch', 'every 5 ms');
  expect(rows.map((row) => row.contender)).toEqual(['ours', 'ours, libuv']);
  for (const row of rows) expect(row.p50Us).toBeGreaterThan(0);
  expect(Object.keys(ratios)).toEqual(['write to callback, every 5 ms p50 ours/ours, libuv']);
});

test('a suite that does not exist is refused', async () => {
  const bench = runTs('test/bench/main.ts', { args: ['nonsense'] });
  expect(await bench.exit()).toEqual({ code: 1, signal: null });
  expect(bench.stderr).toContain('there is no suite "nonsense", but echo, watch');
});
