import * as fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { PressureMonitor, type PressureRecord } from '../../../src/watch/sources/pressure';
import { parsePressure } from '../../../src/watch/sources/pressure-file';
import { burn, stopBurning } from '../../support/burners';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { marker } from '../../support/marker';
import { testWith } from '../../support/requires';
import { next, until } from '../../support/until';
import { runInWorker } from '../../support/worker';

expectNoFdLeaks();

function ifThere(path: string, flags: string): string | null {
  try {
    fs.closeSync(fs.openSync(path, flags));
    return path;
  } catch {
    return null;
  }
}

const testPsi = testWith(ifThere('/proc/pressure/cpu', 'r+'), '/proc/pressure');
const TOO_MUCH = 2 * availableParallelism();

testPsi('CPU pressure is emitted, with the averages, again and again while it lasts', async () => {
  using monitor = new PressureMonitor({ resource: 'cpu', stallUs: 100_000 });
  const records: PressureRecord[] = [];
  monitor.on('pressure', (record) => records.push(record));
  burn(TOO_MUCH);
  await until(() => records.length === 2, 25_000);
  const [first, second] = records as [PressureRecord, PressureRecord];
  expect(first.resource).toBe('cpu');
  const [before, after] = [first.some?.total as number, second.some?.total as number];
  // Measured when the record was told, which may be a little after the window.
  expect(after - before).toBeGreaterThan(50_000);
  expect(second.some?.avg10).toBeGreaterThan(0);
});

testPsi('pressure without a taker is emitted once, later; the iterator', async () => {
  using monitor = new PressureMonitor({ resource: 'cpu', stallUs: 100_000 });
  const start = monitor.reading.some?.total as number;
  burn(TOO_MUCH);
  await until(() => (monitor.reading.some?.total as number) > start + 500_000, 25_000);
  stopBurning();
  for await (const record of monitor) {
    expect(record.some?.total).toBeGreaterThan(start + 500_000);
    break;
  }
  expect(monitor.closed).toBe(true);
});

testPsi('no pressure, no record: being watched is none', async () => {
  using monitor = new PressureMonitor({ resource: 'memory', level: 'full', stallUs: 1_999_999 });
  let count = 0;
  monitor.on('pressure', () => {
    count += 1;
  });
  await marker();
  expect(count).toBe(0);
});

const UNIFIED = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
  (folder) =>
    fs.existsSync(`${folder}/cgroup.controllers`) && fs.existsSync(`${folder}/cpu.pressure`),
);

function makeCgroup(): string | null {
  const path = `${UNIFIED}/epoll-ffi-test-${process.pid}`;
  try {
    fs.mkdirSync(path);
    return path;
  } catch {
    return null;
  }
}

const cgroup = makeCgroup();
afterAll(() => {
  if (cgroup !== null) fs.rmSync(cgroup, { recursive: true, force: true });
});
testWith(cgroup, 'a cgroup of its own')('a cgroup’s file; ENODEV when it is removed', async () => {
  const resource = `${cgroup}/cpu.pressure`;
  const monitor = new PressureMonitor({ resource, stallUs: 100_000 });
  monitor.on('pressure', () => {});
  expect(monitor.reading.some?.total).toBe(0);
  const failed = next<[NodeJS.ErrnoException]>(monitor, 'error');
  fs.rmdirSync(cgroup as string);
  expect((await failed)[0].code).toBe('ENODEV');
  expect(monitor.closed).toBe(true);
});

test('mistakes are named', () => {
  const make = (options: object) => () => new PressureMonitor(options as never);
  expect(make({ resource: '/proc/pressure/none', stallUs: 1 })).toThrow(/^open ENOENT.*needs PSI/);
  expect(make({ resource: 'cpu' })).toThrow(/option "stallUs" of PressureMonitor/);
  expect(make({ resource: 'cpu', stallUs: 3_000_000 })).toThrow(/"stallUs".*more than windowUs/);
  expect(make({ resource: 'cpu', stallUs: 1, windowUs: 100 })).toThrow(/option "windowUs"/);
  expect(make({ resource: 'cpu', stallUs: 1, level: 'most' })).toThrow(/option "level"/);
});

test('the file is parsed, and what is not of its form is not there', () => {
  const line = 'avg10=1.50 avg60=0.25 avg300=12.00 total=387752653';
  const averages = { avg10: 1.5, avg60: 0.25, avg300: 12, total: 387_752_653 };
  expect(parsePressure(`some ${line}\nfull ${line}\n`)).toEqual({ some: averages, full: averages });
  expect(parsePressure(`some ${line}\n`)).toEqual({ some: averages, full: null });
  for (const text of ['', 'some', `most ${line}`, 'some avg10=x total=1', `some ${line} more`]) {
    expect(parsePressure(text)).toEqual({ some: null, full: null });
  }
});

testPsi('works in a worker', async () => {
  expect(await runInWorker('pressure')).toBe('number');
});
