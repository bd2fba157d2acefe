/** The file of a unix socket is removed where it is, and nobody else's in its stead. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import { UnixServer } from '../../../src/net/server/unix-server';
import * as c from '../../../src/sys/constants';
import { RLIMIT_NOFILE } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { close, fcntl } from '../../../src/sys/io';
import { prlimit, type ResourceLimit } from '../../../src/sys/resource-limit';
import { bind, listen, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { boundFileOf } from '../../../src/sys/unix-diag';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { openCount } from '../../support/open-fds';
import { testIf } from '../../support/requires';

expectNoFdLeaks();

const HOME = process.cwd();
let folder: string;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => process.chdir(HOME));

const KINDS = [
  ['UnixServer', (path: string) => new UnixServer({ path })],
  ['DatagramSocket', (path: string) => new DatagramSocket({ bind: { path } })],
] as const;

/** A listening socket at `path`, bound by somebody else. */
function listenerAt(path: string): number {
  const fd = unwrap(socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0), 'socket');
  unwrap(bind(fd, encodeUnixAddress({ path })), 'bind');
  unwrap(listen(fd, 1), 'listen');
  return fd;
}

function makeRoom(name: string): string {
  fs.mkdirSync(join(folder, name));
  return join(folder, name);
}

describe.each(KINDS)('%s', (_, open) => {
  test('a relative path is another one after chdir', () => {
    const [here, there] = [makeRoom('here'), makeRoom('there')];
    process.chdir(here);
    const one = open('socket');
    process.chdir(there);
    const other = open('socket');
    one.close();
    expect([fs.existsSync(join(here, 'socket')), fs.readdirSync(there)]).toEqual([
      false,
      ['socket'],
    ]);
    other.close();
    expect(fs.readdirSync(there)).toEqual([]);
  });

  test('the folder was renamed, and another put in its place', () => {
    const home = makeRoom('home');
    const one = open(join(home, 'socket'));
    fs.renameSync(home, join(folder, 'away'));
    makeRoom('home');
    const other = open(join(home, 'socket'));
    one.close();
    expect(fs.readdirSync(join(folder, 'away'))).toEqual([]);
    expect(fs.readdirSync(home)).toEqual(['socket']);
    other.close();
  });

  test.each(['a file', 'a socket', 'a link to the socket', 'nothing'])(
    'the path was replaced by %s',
    (what) => {
      const path = join(folder, 'socket');
      const one = open(path);
      const fd = one.fd;
      fs.renameSync(path, join(folder, 'moved'));
      if (what === 'a file') fs.writeFileSync(path, '');
      if (what === 'a socket') closeLater(listenerAt(path));
      if (what === 'a link to the socket') fs.symlinkSync('moved', path);
      const before = fs.readdirSync(folder);
      one.close();
      expect(fd).toBeGreaterThan(0);
      expect(fs.readdirSync(folder)).toEqual(before);
    },
  );

  test('the folder is gone', () => {
    const home = makeRoom('home');
    const one = open(join(home, 'socket'));
    fs.rmSync(home, { recursive: true });
    one.close();
    expect(fs.existsSync(home)).toBe(false);
  });

  test('a path without a folder, and names without a file', () => {
    process.chdir(folder);
    open('socket').close();
    open('./socket').close();
    open(`\0epoll-ffi-${process.pid}`).close();
    expect(fs.readdirSync('.')).toEqual([]);
    expect(() => open('no/socket')).toThrow('bind ENOENT: no such file or directory no/socket');
    expect(() => open('socket/')).toThrow(/^bind E/);
    expect(openCount(folder)).toBe(0);
  });

  test('a full fd table leaves no file', () => {
    const before: ResourceLimit = { soft: 0, hard: 0 };
    const path = join(folder, 'socket');
    open(path).close();
    // The lowest free number, then one more for each step of the making.
    const free = fs.openSync('/dev/null', 'r');
    fs.closeSync(free);
    prlimit(0, RLIMIT_NOFILE, null, before);
    const codes: string[] = [];
    try {
      for (const room of [0, 1]) {
        prlimit(0, RLIMIT_NOFILE, { ...before, soft: free + room }, null);
        try {
          open(path).close();
        } catch (error) {
          codes.push((error as { code: string }).code);
        }
      }
    } finally {
      prlimit(0, RLIMIT_NOFILE, before, null);
    }
    expect([codes, fs.readdirSync(folder)]).toEqual([['EMFILE', 'EMFILE'], []]);
  });
});

test('a handed over server lets go of the folder at once', async () => {
  const path = join(folder, 'socket');
  const server = new UnixServer({ path });
  expect(openCount(folder)).toBe(1);
  await server.shutdown({ handedOver: true });
  expect([openCount(folder), fs.existsSync(path)]).toEqual([0, true]);
});

describe('removeFile, of a listener that other code has bound', () => {
  const probe = (): boolean => {
    const path = join(makeProbeFolder(), 'socket');
    const fd = listenerAt(path);
    const { ino, dev } = fs.lstatSync(path);
    const bound = boundFileOf(fd);
    close(fd);
    fs.rmSync(join(path, '..'), { recursive: true });
    return bound?.inode === ino && bound.device === dev;
  };
  const makeProbeFolder = (): string => fs.mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  const testDiag = testIf(probe(), 'sock_diag(7) of unix sockets');

  testDiag('removes a file that is of this socket, by absolute and relative path', () => {
    process.chdir(folder);
    for (const path of [join(folder, 'socket'), 'socket']) {
      const server = new UnixServer({ fd: listenerAt(path), removeFile: true });
      process.chdir(HOME);
      server.close();
      process.chdir(folder);
      expect(fs.readdirSync('.')).toEqual([]);
    }
  });

  test.each(['a socket', 'a file', 'a folder'])(
    'leaves %s in another working directory',
    (what) => {
      const [theirs, ours] = [makeRoom('theirs'), makeRoom('ours')];
      process.chdir(theirs);
      const fd = listenerAt('app.sock');
      process.chdir(ours);
      if (what === 'a socket') closeLater(listenerAt('app.sock'));
      if (what === 'a file') fs.writeFileSync('app.sock', 'precious');
      if (what === 'a folder') fs.mkdirSync('app.sock');
      new UnixServer({ fd, removeFile: true }).close();
      expect([fs.readdirSync(ours), fs.readdirSync(theirs)]).toEqual([['app.sock'], ['app.sock']]);
      expect([openCount(ours), openCount(theirs)]).toEqual([0, 0]);
    },
  );

  test('leaves what took its place before it was passed on', () => {
    const path = join(folder, 'socket');
    const fd = listenerAt(path);
    fs.unlinkSync(path);
    closeLater(listenerAt(path));
    new UnixServer({ fd, removeFile: true }).close();
    expect(fs.readdirSync(folder)).toEqual(['socket']);
  });

  test('one that is refused lets go of the folder, and the file stays', () => {
    const path = join(folder, 'socket');
    const fd = listenerAt(path);
    const server = new UnixServer({ fd });
    expect(() => new UnixServer({ fd, removeFile: true })).toThrow(/EEXIST/);
    expect([openCount(folder), fs.readdirSync(folder)]).toEqual([0, ['socket']]);
    server.close();
    expect(fcntl(fd, c.F_GETFD)).toBeLessThan(0);
  });
});
