/** That the benchmark runs and tells what it should; never what the figures are. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTs } from '../support/child';
import type { Report } from './report';

const QUICK = ['--rounds', '1', '--round-ms', '200', '--warm-up-ms', '400'];

test('a suite prints a table and keeps a report', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const bench = runTs('test/bench/main.ts', { args: ['echo', ...QUICK, '--out', folder] });
    expect(await bench.exit()).toEqual({ code: 0, signal: null });
    const report: Report = JSON.parse(readFileSync(join(folder, 'echo.json'), 'utf8'));
    expect(report.suite).toBe('echo');
    const contenders = new Set(report.rows.map(({ contender }) => contender));
    expect([...contenders].slice(0, 2)).toEqual(['ours', 'node:net']);
    expect(report.rows).toHaveLength(3 * contenders.size);
    for (const row of report.rows) {
      expect(row.rate).toBeGreaterThan(0);
      expect(row.perCpuSecond).toBeGreaterThan(0);
      expect(row.p99Us).toBeGreaterThanOrEqual(row.p50Us);
    }
    expect(report.ratios['1 connection p50 ours/node:net']).toBeGreaterThan(0);
    expect(report.ratios['1000 connections ours/node:net']).toBeGreaterThan(0);
    expect(bench.stdout).toContain('1000 connections ours/node:net');
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test('a suite that does not exist is refused', async () => {
  const bench = runTs('test/bench/main.ts', { args: ['nonsense'] });
  expect(await bench.exit()).toEqual({ code: 1, signal: null });
  expect(bench.stderr).toContain('there is no suite "nonsense", but echo, watch');
});

test('the suite watch, of what needs no building', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const bench = runTs('test/bench/main.ts', {
      args: ['watch', '--without-addons', ...QUICK, '--out', folder],
    });
    expect(await bench.exit()).toEqual({ code: 0, signal: null });
    const report: Report = JSON.parse(readFileSync(join(folder, 'watch.json'), 'utf8'));
    expect(new Set(report.rows.map((row) => row.case)).size).toBe(6);
    for (const row of report.rows) {
      expect(row.rate).toBeGreaterThan(0);
      expect(row.p50Us).toBeGreaterThan(0);
    }
    expect(report.ratios['cost among 9000/among 100 ours/ours']).toBeGreaterThan(0);
    expect(report.ratios['1 ready among 9000 idle ours/poll']).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
