import * as fs from 'node:fs';
import { join } from 'node:path';
import { EventLoop } from '../../../src/loop/event-loop';
import * as constants from '../../../src/sys/constants';
import { Inotify } from '../../../src/watch/inotify/inotify';
import type { FileChange, FileMove, InotifyRecord } from '../../../src/watch/inotify/watch';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { testIf } from '../../support/requires';
import { next, until } from '../../support/until';
import { runInWorker } from '../../support/worker';

expectNoFdLeaks();

/** Records as short lines: "create a", "move a > b". */
function lineOf(record: InotifyRecord): string {
  if (record.kind === 'overflow') return 'overflow';
  if (record.kind === 'move') return `move ${record.from.name} > ${record.to.name}`;
  return `${record.kind} ${record.name}`.trimEnd();
}

/** Collects the lines of all records. */
function linesOf(source: Inotify): string[] {
  const lines: string[] = [];
  source.on('change', (record) => lines.push(lineOf(record)));
  return lines;
}

test('emits the life of a file, in order, with the words and the mask', async () => {
  const folder = makeFolder();
  using inotify = new Inotify();
  const watch = inotify.add(folder);
  const records: InotifyRecord[] = [];
  inotify.on('change', (record) => records.push(record));
  const file = join(folder, 'a');
  fs.writeFileSync(file, 'text');
  fs.chmodSync(file, 0o600);
  fs.unlinkSync(file);
  fs.mkdirSync(file);
  await until(() => records.length === 6);
  expect(records.map(lineOf)).toEqual([
    'create a',
    'modify a',
    'closeWrite a',
    'attributes a',
    'delete a',
    'create a',
  ]);
  const [create] = records as [FileChange];
  expect(create).toEqual({
    kind: 'create',
    watch,
    name: 'a',
    rawName: null,
    path: file,
    mask: constants.IN_CREATE,
    isDirectory: false,
  });
  expect(records[5]).toMatchObject({ isDirectory: true });
  expect(watch.active).toBe(true);
});

test('only the events asked for are emitted, in words or as a mask', async () => {
  const folder = makeFolder();
  using inotify = new Inotify();
  const lines = linesOf(inotify);
  const watch = inotify.add(folder, { events: ['closeWrite'] });
  fs.writeFileSync(join(folder, 'a'), 'x');
  await until(() => lines.length === 1);
  expect(inotify.add(folder, { events: constants.IN_DELETE, maskAdd: true })).toBe(watch);
  fs.writeFileSync(join(folder, 'a'), 'y');
  fs.unlinkSync(join(folder, 'a'));
  await until(() => lines.length === 3);
  expect(inotify.add(folder, { events: ['open'] })).toBe(watch);
  fs.writeFileSync(join(folder, 'b'), 'x');
  await until(() => lines.length === 4);
  expect(lines).toEqual(['closeWrite a', 'closeWrite a', 'delete a', 'open b']);
  expect([...inotify.watches]).toEqual([watch]);
  expect(watch.mask).toBe(constants.IN_OPEN);
});

test('every word is emitted for its own change', async () => {
  const folder = join(makeFolder(), 'sub');
  fs.mkdirSync(folder);
  const file = join(folder, 'a');
  fs.writeFileSync(file, 'text');
  using inotify = new Inotify();
  inotify.add(folder, { events: ['access', 'open', 'closeRead', 'moveSelf', 'deleteSelf'] });
  inotify.add(file, { events: ['deleteSelf', 'moveSelf'] });
  const lines = linesOf(inotify);
  fs.readFileSync(file);
  fs.renameSync(file, `${file}2`);
  fs.renameSync(folder, `${folder}2`);
  fs.rmSync(`${folder}2`, { recursive: true });
  await until(() => lines.filter((line) => line === 'ignored').length === 2);
  const once = lines.filter((line, index) => lines.indexOf(line) === index);
  expect(once).toEqual(
    expect.arrayContaining(['open a', 'access a', 'closeRead a', 'moveSelf', 'deleteSelf']),
  );
  expect(lines.filter((line) => line === 'moveSelf')).toHaveLength(2);
  expect(lines.filter((line) => line === 'deleteSelf')).toHaveLength(2);
});

test.each([false, true])('a file unlinked and open still: excludeUnlinked %p', async (excluded) => {
  const folder = makeFolder();
  const file = join(folder, 'a');
  const fd = fs.openSync(file, 'w');
  using inotify = new Inotify();
  inotify.add(folder, { events: ['modify', 'delete', 'create'], excludeUnlinked: excluded });
  const lines = linesOf(inotify);
  fs.unlinkSync(file);
  fs.writeSync(fd, 'x');
  fs.closeSync(fd);
  fs.mkdirSync(join(folder, 'b'));
  await until(() => lines.at(-1) === 'create b');
  expect(lines).toEqual(excluded ? ['delete a', 'create b'] : ['delete a', 'modify a', 'create b']);
});

describe('renames', () => {
  test('within a directory and across two are one record', async () => {
    const [one, two] = [makeFolder(), makeFolder()];
    using inotify = new Inotify();
    const [first, second] = [inotify.add(one), inotify.add(two)];
    fs.writeFileSync(join(one, 'a'), '');
    const records: InotifyRecord[] = [];
    inotify.on('change', (record) => record.kind === 'move' && records.push(record));
    fs.renameSync(join(one, 'a'), join(one, 'b'));
    fs.renameSync(join(one, 'b'), join(two, 'c'));
    await until(() => records.length === 2);
    const [inner, across] = records as [FileMove, FileMove];
    expect([inner.from.path, inner.to.path]).toEqual([join(one, 'a'), join(one, 'b')]);
    expect([across.from.watch, across.to.watch]).toEqual([first, second]);
    expect([across.from.path, across.to.path]).toEqual([join(one, 'b'), join(two, 'c')]);
    expect(inner.cookie).not.toBe(across.cookie);
    expect(inner.cookie).toBeGreaterThan(0);
  });

  test('out of and into the watched directory are emitted alone, and before later changes', async () => {
    const [inside, outside] = [makeFolder(), makeFolder()];
    fs.writeFileSync(join(inside, 'a'), '');
    using inotify = new Inotify();
    inotify.add(inside, { events: ['create', 'movedFrom', 'movedTo', 'delete'] });
    const lines = linesOf(inotify);
    fs.renameSync(join(inside, 'a'), join(outside, 'a'));
    fs.writeFileSync(join(inside, 'a'), '');
    fs.renameSync(join(outside, 'a'), join(inside, 'b'));
    fs.renameSync(join(inside, 'a'), join(inside, 'c'));
    await until(() => lines.length === 4);
    expect(lines).toEqual(['movedFrom a', 'create a', 'movedTo b', 'move a > c']);
  });

  test('thousands in a row are all paired, wherever a read ends', async () => {
    const folder = makeFolder();
    const name = (index: number): string => join(folder, `${index}`.padStart(250, 'x'));
    fs.writeFileSync(name(0), '');
    using inotify = new Inotify();
    inotify.add(folder, { events: ['movedFrom', 'movedTo'] });
    for (let index = 0; index < 4_000; index += 1) fs.renameSync(name(index), name(index + 1));
    const kinds = new Map<string, number>();
    let last = '';
    inotify.on('change', (record) => {
      kinds.set(record.kind, (kinds.get(record.kind) ?? 0) + 1);
      if (record.kind === 'move') last = record.to.path;
    });
    await until(() => last === name(4_000));
    expect(Object.fromEntries(kinds)).toEqual({ move: 4_000 });
  });
});

test('long names and many events in one read come whole', async () => {
  const folder = makeFolder();
  using inotify = new Inotify();
  inotify.add(folder, { events: ['create'] });
  const names = Array.from({ length: 3_000 }, (_, index) => `${index}-`.padEnd(1 + (index % 255)));
  const safe = names.map((name) => `${name.trim()}${'n'.repeat(Math.max(0, name.length - 8))}`);
  for (const name of safe) fs.writeFileSync(join(folder, name), '');
  const seen: string[] = [];
  inotify.on('change', (record) => seen.push((record as FileChange).name));
  await until(() => seen.length === safe.length);
  expect(seen).toEqual(safe);
});

test('a name that is not UTF-8 is emitted as bytes too, and a path may be bytes', async () => {
  const folder = makeFolder();
  using inotify = new Inotify();
  const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff, 0xfe])]);
  fs.mkdirSync(odd);
  inotify.add(folder, { events: ['create'] });
  inotify.add(odd, { events: ['create'] });
  const records: FileChange[] = [];
  inotify.on('change', (record) => records.push(record as FileChange));
  fs.writeFileSync(Buffer.concat([odd, Buffer.from('/b')]), '');
  fs.writeFileSync(Buffer.concat([odd, Buffer.from('2')]), '');
  await until(() => records.length === 2);
  expect(records[0]).toMatchObject({ name: 'b', rawName: null });
  expect(records[1]?.rawName).toEqual(Buffer.from([0x61, 0xff, 0xfe, 0x32]));
});

describe('the end of a watch', () => {
  test('a deleted directory: its own delete, then "ignored"; a new one has a new watch', async () => {
    const folder = join(makeFolder(), 'sub');
    fs.mkdirSync(folder);
    using inotify = new Inotify();
    const watch = inotify.add(folder);
    const lines = linesOf(inotify);
    fs.rmdirSync(folder);
    await until(() => lines.length === 2);
    expect(lines).toEqual(['deleteSelf', 'ignored']);
    expect([watch.active, [...inotify.watches]]).toEqual([false, []]);
    watch.remove();
    fs.mkdirSync(folder);
    expect(inotify.add(folder).id).not.toBe(watch.id);
  });

  test('one-shot: one event, then "ignored"', async () => {
    const folder = makeFolder();
    using inotify = new Inotify();
    inotify.add(folder, { events: ['create'], oneShot: true });
    const lines = linesOf(inotify);
    fs.writeFileSync(join(folder, 'a'), '');
    fs.writeFileSync(join(folder, 'b'), '');
    await until(() => lines.length === 2);
    expect(lines).toEqual(['create a', 'ignored']);
  });

  test('after remove nothing more is emitted, not even queued events', async () => {
    const [one, two] = [makeFolder(), makeFolder()];
    using inotify = new Inotify();
    const watch = inotify.add(one);
    inotify.add(two, { events: ['create'] });
    fs.writeFileSync(join(one, 'a'), '');
    watch.remove();
    watch.remove();
    expect(watch.active).toBe(false);
    fs.writeFileSync(join(two, 'b'), '');
    const lines = linesOf(inotify);
    await until(() => lines.length === 1);
    expect(lines).toEqual(['create b']);
  });
});

test('closing ends all watches, for whatever reason it closes', () => {
  const folder = makeFolder();
  const loop = new EventLoop();
  const abort = new AbortController();
  const cases: [Inotify, (inotify: Inotify) => void][] = [
    [new Inotify(), (inotify) => inotify.close()],
    [new Inotify({ loop }), () => loop.close()],
    [new Inotify({ signal: abort.signal }), () => abort.abort()],
  ];
  for (const [inotify, close] of cases) {
    const watch = inotify.add(folder);
    let told: boolean | null = null;
    inotify.on('close', () => {
      told = watch.active;
    });
    close(inotify);
    expect([inotify.closed, watch.active, told, [...inotify.watches]]).toEqual([
      true,
      false,
      false,
      [],
    ]);
    watch.remove();
  }
});

const maxQueued = Number(fs.readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
testIf(maxQueued <= 200_000, 'a fs.inotify.max_queued_events of at most 200,000')(
  `more events than the kernel queues (${maxQueued}) end in "overflow"`,
  async () => {
    const folder = makeFolder();
    using inotify = new Inotify();
    inotify.add(folder, { events: ['attributes'] });
    for (const name of ['a', 'b']) fs.writeFileSync(join(folder, name), '');
    // Equal events in a row would be one.
    for (let count = 0; count < maxQueued / 2 + 50; count += 1) {
      for (const name of ['a', 'b']) fs.chmodSync(join(folder, name), 0o600);
    }
    const lines = linesOf(inotify);
    await until(() => lines.at(-1) === 'overflow');
    expect(lines).toHaveLength(maxQueued + 1);
    expect(lines.filter((line) => line === 'overflow')).toHaveLength(1);
    fs.chmodSync(join(folder, 'a'), 0o600);
    await until(() => lines.at(-1) === 'attributes a');
  },
);

test('once gives one record of many, and the rest to who comes next', async () => {
  const folder = makeFolder();
  using inotify = new Inotify();
  inotify.add(folder, { events: ['create'] });
  for (const name of ['a', 'b', 'c', 'd']) fs.writeFileSync(join(folder, name), '');
  const [first] = await next<[InotifyRecord]>(inotify, 'change');
  const [second] = await next<[InotifyRecord]>(inotify, 'change');
  expect([first, second].map(lineOf)).toEqual(['create a', 'create b']);
  const rest: string[] = [];
  for await (const record of inotify) {
    rest.push(lineOf(record));
    if (rest.length === 2) break;
  }
  expect(rest).toEqual(['create c', 'create d']);
  expect(inotify.closed).toBe(true);
});

test('mistakes are named', () => {
  const folder = makeFolder();
  using inotify = new Inotify();
  fs.writeFileSync(join(folder, 'file'), '');
  const add =
    (path: string, options = {}) =>
    () =>
      inotify.add(path, options);
  expect(add(join(folder, 'none'))).toThrow(/^inotify_add_watch ENOENT: .*none"$/);
  expect(add(join(folder, 'file'), { onlyDirectory: true })).toThrow(/ENOTDIR/);
  expect(add(folder, { events: ['created'] })).toThrow(/option "events.*of Inotify.add/);
  expect(add(folder, { events: [] })).toThrow(/option "events" of Inotify.add/);
  expect(add(folder, { recursive: true })).toThrow(TypeError);
  expect(add('a\0b')).toThrow(RangeError);
  expect(add(5 as never)).toThrow(TypeError);
  expect(() => new Inotify({ renameWaitMs: -1 })).toThrow(/option "renameWaitMs" of Inotify/);
  inotify.close();
  expect(add(folder)).toThrow('cannot add: the Inotify is closed');
});

test('a symbolic link itself is watched with dontFollow', async () => {
  const folder = makeFolder();
  const [link, target] = [join(folder, 'link'), join(folder, 'target')];
  fs.writeFileSync(target, '');
  fs.symlinkSync(target, link);
  using inotify = new Inotify();
  inotify.add(link, { dontFollow: true, events: ['deleteSelf', 'attributes'] });
  const lines = linesOf(inotify);
  fs.chmodSync(target, 0o600);
  fs.unlinkSync(link);
  await until(() => lines.includes('ignored'));
  expect(lines).toEqual(['attributes', 'deleteSelf', 'ignored']);
});

test('works in a worker', async () => {
  expect(await runInWorker('inotify', makeFolder())).toBe('closeWrite file');
});
