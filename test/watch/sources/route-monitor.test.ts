import { RouteMonitor, type RouteRecord } from '../../../src/watch/sources/route-monitor';
import { type Child, runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { marker } from '../../support/marker';
import { IN_NAMESPACE } from '../../support/namespace';
import { testWith } from '../../support/requires';
import { until } from '../../support/until';
import { runInWorker } from '../../support/worker';

expectNoFdLeaks();

const testInNamespace = testWith(IN_NAMESPACE?.join(' ') ?? null, 'a network namespace and veth');

type Line = RouteRecord | { done: string };

/** A monitor in a network namespace of its own. */
class Namespace {
  readonly child: Child;

  constructor(options: object = {}) {
    const command = IN_NAMESPACE ?? [];
    this.child = runTs('test/watch/programs/route-monitor.ts', {
      args: [JSON.stringify(options)],
      command,
    });
  }

  get lines(): Line[] {
    const complete = this.child.stdout.slice(0, this.child.stdout.lastIndexOf('\n') + 1);
    return complete.split('\n', -1).flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  }

  get records(): RouteRecord[] {
    return this.lines.filter((line) => 'kind' in line);
  }

  /** Run a command in it, and wait until that is done. */
  async run(command: string): Promise<void> {
    const count = this.lines.filter((line) => 'done' in line).length;
    this.child.process.stdin?.write(`${command}\n`);
    await until(() => this.lines.filter((line) => 'done' in line).length > count, 15_000);
  }

  /** Wait for a record with these fields. */
  async told(fields: object, timeoutMs = 15_000): Promise<RouteRecord> {
    const matches = (record: object): boolean =>
      Object.entries(fields).every(([key, value]) => Reflect.get(record, key) === value);
    await until(() => this.records.some(matches), timeoutMs).catch((error) => {
      throw new Error(`${error.message}\n${this.child.stdout}${this.child.stderr}`);
    });
    return this.records.find(matches) as RouteRecord;
  }

  async end(): Promise<void> {
    this.child.process.stdin?.end();
    expect(await this.child.exit()).toEqual({ code: 0, signal: null });
    expect(this.child.stderr).toBe('');
  }
}

testInNamespace('links: there, added, up, running, changed, down, renamed, removed', async () => {
  const space = new Namespace();
  await space.told({ kind: 'synced' });
  expect(space.records).toEqual([
    {
      kind: 'link',
      index: 1,
      name: 'lo',
      up: false,
      running: false,
      mtu: 65_536,
      address: '00:00:00:00:00:00',
      flags: 8,
      initial: true,
    },
    { kind: 'synced' },
  ]);
  await space.run('link add veth0 address 02:00:00:00:00:01 type veth peer name veth1');
  const added = await space.told({ kind: 'link', name: 'veth0', up: false, initial: false });
  expect(added).toMatchObject({ address: '02:00:00:00:00:01', mtu: 1_500, running: false });
  await space.run('link set veth0 up');
  await space.told({ name: 'veth0', up: true, running: false });
  await space.run('link set veth1 up');
  await space.told({ name: 'veth0', up: true, running: true });
  await space.run('link set veth0 mtu 1400');
  await space.told({ name: 'veth0', mtu: 1_400 });
  await space.run('link set veth1 down');
  await space.run('link set veth1 name other');
  await space.told({ name: 'other', up: false });
  await space.run('link del veth0');
  await space.told({ kind: 'linkGone', name: 'veth0' });
  await space.told({ kind: 'linkGone', name: 'other' });
  await space.end();
});

testInNamespace('addresses of both families, there, added and removed', async () => {
  const space = new Namespace({ links: false });
  await space.told({ kind: 'synced' });
  await space.run('link set lo up');
  await space.run('addr add 192.0.2.7/24 dev lo');
  const four = await space.told({ kind: 'address', address: '192.0.2.7' });
  expect(four).toEqual({
    kind: 'address',
    index: 1,
    family: 'IPv4',
    address: '192.0.2.7',
    prefixLength: 24,
    initial: false,
  });
  await space.run('addr add 2001:db8::7/64 dev lo');
  await space.told({ address: '2001:db8::7', family: 'IPv6', prefixLength: 64 });
  await space.run('addr del 192.0.2.7/24 dev lo');
  await space.told({ kind: 'addressGone', address: '192.0.2.7' });
  expect(space.records.filter(({ kind }) => kind === 'link')).toEqual([]);
  await space.end();
});

testInNamespace('an overflow is emitted, and then everything again', async () => {
  const space = new Namespace();
  await space.told({ kind: 'synced' });
  await space.run('link add veth0 type veth peer name veth1');
  await space.told({ kind: 'link', name: 'veth1' });
  await space.run('ignore');
  await space.run('many 2000');
  await space.run('link set veth0 mtu 1299');
  await space.run('listen');
  await space.told({ kind: 'overflow' });
  await space.told({ name: 'veth0', mtu: 1_299, initial: true });
  const { records } = space;
  const after = records.slice(records.findIndex(({ kind }) => kind === 'overflow'));
  await until(() => space.records.filter(({ kind }) => kind === 'synced').length === 2);
  expect(after.filter(({ kind }) => kind === 'overflow').length).toBeGreaterThan(0);
  await space.run('link set veth0 mtu 1298');
  await space.told({ name: 'veth0', mtu: 1_298, initial: false });
  await space.end();
});

test('here: the loopback is there, by the iterator, and the end of the loop closes', async () => {
  const monitor = new RouteMonitor({ addresses: false });
  const names: string[] = [];
  for await (const record of monitor) {
    if (record.kind === 'link') names.push(record.name);
    if (record.kind === 'synced') break;
  }
  expect(names).toContain('lo');
  expect(monitor.closed).toBe(true);
});

test('without the initial records there is silence; wrong options are named', async () => {
  using monitor = new RouteMonitor({ initial: false });
  const records: RouteRecord[] = [];
  monitor.on('change', (record) => records.push(record));
  await marker();
  expect(records.filter((record) => 'initial' in record && record.initial)).toEqual([]);
  expect(() => new RouteMonitor({ links: 1 as never })).toThrow(/option "links" of RouteMonitor/);
});

test('works in a worker', async () => {
  expect(await runInWorker('routeMonitor')).toBe('lo');
});
