/** Odd values, wrong options and objects of other realms: each gets an error of ours, or its due. */
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import * as epollFfi from '../src';
import { fileSettings } from '../src/http/files/send-file-options';
import { runTs } from './support/child';
import { expectNoFdLeaks } from './support/fd-leaks';
import { closeLater, counter } from './support/fds';

expectNoFdLeaks();

const { Epoll, EventLoop, interestMask, pollFds, selectFds, sys, TimerFd, watch } = epollFfi;
const { constants } = sys;
// biome-ignore lint/suspicious/noExplicitAny: the point is to call with what the types forbid.
const any = (value: unknown): any => value;

test('every export, called with odd values: refused with a code', async () => {
  const storm = runTs('test/odd-values.ts');
  const exit = await storm.exit();
  expect({ ...exit, stderr: storm.stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(JSON.parse(storm.stdout)).toEqual([]);
});

describe('what V8 said before in its own words', () => {
  const named = (code: string, text: RegExp): Error =>
    expect.objectContaining({ code, message: expect.stringMatching(text) });
  const INVALID = 'ERR_INVALID_ARG_TYPE';

  test.each<[string, () => unknown, RegExp]>([
    ['write', () => sys.write(1, Object.create(Uint8Array.prototype)), /"buffer"/],
    ['read', () => sys.read(0, new Proxy(new Uint8Array(8), {})), /"buffer"/],
    ['encodeAddress', () => sys.encodeAddress(any(null)), /"address"/],
    ['encodeUnixAddress', () => sys.encodeUnixAddress(any(undefined)), /"address"/],
    ['errnoName', () => sys.errnoName(any(Symbol('11'))), /"value"/],
    ['errnoText', () => sys.errnoText(any(11n)), /"value"/],
    ['new Epoll', () => new Epoll(any(null)), /"options"/],
    ['new Epoll', () => new Epoll(any(5)), /"options"/],
    ['selectFds', () => selectFds({ readable: any(5) }), /"options.readable"/],
    ['selectFds', () => selectFds(any(null)), /"options"/],
    ['pollFds', () => pollFds([any(null)]), /"interests\[0\]"/],
    ['pollFds', () => pollFds(new Array(1)), /"interests\[0\]"/],
    ['interestMask', () => interestMask({ readable: any('yes') }), /"options.readable"/],
  ])('%s (%#)', (_name, call, text) => {
    expect(call).toThrow(named(INVALID, text));
  });

  test('Epoll.add of a bigint', () => {
    using epoll = new Epoll();
    expect(() => epoll.add(any(3n), 1)).toThrow(named(INVALID, /"fd"/));
  });
});

describe('a wrong option is refused, with those that there are', () => {
  test.each<[string, () => unknown]>([
    ['maxevents', () => new Epoll(any({ maxevents: 1 }))],
    ['maxevents', () => Epoll.fromFd(0, any({ maxevents: 1 }))],
    ['readble', () => interestMask(any({ readble: true }))],
    ['read', () => selectFds(any({ read: [0] }))],
    ['timeout', () => pollFds([], any({ timeout: 0 }))],
  ])('%s (%#)', (name, call) => {
    const message = expect.stringMatching(`unrecognized "${name}" \\(there is `);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message }));
  });

  test('a timeout of Epoll.wait, which would be a wait without end', () => {
    using epoll = new Epoll();
    expect(() => epoll.wait(any({ timeout: 0 }))).toThrow(/Epoll.wait.*"timeout".*timeoutMs/);
  });
});

describe('EventLoop.add checks all before it takes anything', () => {
  const right = { onEvents: (): void => {}, onRevoked: (): void => {} };

  test.each<[string, unknown[]]>([
    ['fd', [Symbol('3'), 1, right]],
    ['fd', [-1, 1, right]],
    ['events', [0, 1n, right]],
    ['handler', [0, 1, null]],
    ['handler', [0, 1, () => {}]],
    ['handler.onEvents', [0, 1, {}]],
    ['handler.onRevoked', [0, 1, { onEvents: (): void => {} }]],
  ])('a wrong %s (%#)', (name, args) => {
    using loop = new EventLoop();
    expect(() => any(loop).add(...args)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/),
        message: expect.stringContaining(`"${name}"`),
      }),
    );
    expect(loop.stats()).toMatchObject({ watched: 0, controls: 0 });
  });

  test('a handler that was not taken is never called', () => {
    const loop = new EventLoop();
    const revoked = jest.fn();
    const phantom = { onEvents: (): void => {}, onRevoked: revoked };
    expect(() => loop.add(counter(), any(1n), phantom)).toThrow(/"events"/);
    expect(() => loop.add(closeLater(openSync('/dev/null', 'r')), 1, phantom)).toThrow(/EPERM/);
    loop.close();
    expect(revoked).not.toHaveBeenCalled();
  });
});

describe('what epoll does not take is called by its name', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'odd-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each<[string, () => string, string]>([
    ['/dev/null', () => '/dev/null', 'r'],
    ['a regular file', () => join(folder, 'file'), 'w+'],
    ['a directory', () => folder, 'r'],
  ])('%s', (what, path, flags) => {
    const fd = closeLater(openSync(path(), flags));
    using epoll = new Epoll();
    expect(() => epoll.add(fd, 1)).toThrow(
      expect.objectContaining({ code: 'EPERM', message: expect.stringContaining(what) }),
    );
    const isFile = what === 'a regular file';
    const message = expect.stringContaining('regular file');
    expect(() => watch(fd)).toThrow(
      isFile ? expect.objectContaining({ message }) : /^(?!.*regular)/,
    );
  });
});

describe('objects of another realm', () => {
  const foreign = <T>(code: string): T => runInNewContext(code, { URL, AbortController }) as T;

  test('a Date of a timer, and of an answer', () => {
    const at = foreign<Date>('new Date(Date.now() + 1_000_000)');
    expect(at instanceof Date).toBe(false);
    using timer = new TimerFd({ clock: 'realtime', at });
    expect(timer.remaining.delayMs).toBeGreaterThan(900_000);
    expect(() => new TimerFd({ clock: 'monotonic', at })).toThrow(/"at"/);
    expect(() => new TimerFd({ clock: 'realtime', at: foreign('new Date(NaN)') })).toThrow(/"at"/);
    expect(fileSettings({ lastModified: foreign('new Date(5)') }, null).lastModified).toEqual(
      new Date(5),
    );
  });

  test('an AbortSignal that is known by what it does', () => {
    const controller = new AbortController();
    const signal = new Proxy(controller.signal, {
      getPrototypeOf: () => null,
      get: (target, name) => {
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    expect(signal instanceof AbortSignal).toBe(false);
    const watcher = watch(counter(), { signal });
    controller.abort();
    expect(watcher.closed).toBe(true);
    expect(() => watch(counter(), { signal: any({ aborted: false }) })).toThrow(/"signal"/);
  });

  test('a URL', async () => {
    const url = pathToFileURL('/nowhere');
    const copy = { ...any({}), href: url.href, protocol: url.protocol };
    await expect(epollFfi.sendFile(any({}), copy)).rejects.toThrow(/"response"/);
  });
});

test('the sums of inotify(7)', () => {
  const c = constants;
  expect(c.IN_CLOSE).toBe(c.IN_CLOSE_WRITE | c.IN_CLOSE_NOWRITE);
  expect(c.IN_MOVE).toBe(c.IN_MOVED_FROM | c.IN_MOVED_TO);
  const all = [c.IN_ACCESS, c.IN_MODIFY, c.IN_ATTRIB, c.IN_OPEN, c.IN_CREATE, c.IN_DELETE];
  const own = [c.IN_DELETE_SELF, c.IN_MOVE_SELF, c.IN_CLOSE, c.IN_MOVE];
  expect(c.IN_ALL_EVENTS).toBe([...all, ...own].reduce((mask, flag) => mask | flag, 0));
});
