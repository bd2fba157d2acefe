/** Listening sockets of others: by LISTEN_FDS, and by the option `fd`. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { listenFds } from '../../../src/net/server/listen-fds';
import { listenSocket } from '../../../src/net/server/listen-socket';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import * as c from '../../../src/sys/constants';
import { close, fcntl } from '../../../src/sys/io';
import { bind, listen, shutdown, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { ROOT } from '../../support/child';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, counter } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const SCRIPT = `"${process.execPath}" ${RUNS_TYPESCRIPT.join(' ')} ${ROOT}/test/net/programs/inherited-listener.ts`;

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const gone = child.exitCode === null ? next(child, 'close') : null;
    child.stdin?.end();
    await gone;
  }
});

/** Run a command of the shell with more fds than the usual three; what it prints after "passed". */
async function passTo(
  script: string,
  { env = {}, fds = [] }: { env?: NodeJS.ProcessEnv; fds?: number[] },
): Promise<unknown> {
  const child = spawn('sh', ['-c', script], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit', ...fds],
  });
  children.push(child);
  let text = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  const [first = ''] = text.split('\n', 1);
  return JSON.parse(first.replace('passed ', ''));
}

function tcpListener(): number {
  const settings = { host: '127.0.0.1', port: 0, backlog: 10, reusePort: false };
  return listenSocket({ ...settings, ipv6Only: false, noDelay: false, deferAcceptSeconds: 0 });
}

function unixListener(path: string, type: number = c.SOCK_STREAM): number {
  const fd = closeLater(socket(c.AF_UNIX, type | c.SOCK_CLOEXEC, 0));
  expect([bind(fd, encodeUnixAddress({ path })), listen(fd, 10)]).toEqual([0, 0]);
  return fd;
}

describe('listenFds', () => {
  test('takes what a parent passes, and each listener serves', async () => {
    const path = join(makeFolder(), 'socket');
    const fd = tcpListener();
    const probe = new TcpServer({ fd });
    const { port } = probe;
    const unix = unixListener(path);
    const env = { LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:control' };
    const answer = await passTo(`LISTEN_PID=$$ exec ${SCRIPT}`, { env, fds: [fd, unix] });
    probe.close();
    expect(answer).toEqual({
      passed: [
        { fd: 3, name: 'web' },
        { fd: 4, name: 'control' },
      ],
      flags: [c.FD_CLOEXEC, c.FD_CLOEXEC],
      left: [],
    });
    expect((await receive(await client(port), 3)).toString()).toBe('web');
    expect((await receive(await client(0, { path } as never), 7)).toString()).toBe('control');
  });

  test('takes nothing that is for another process, and no name is "unknown"', async () => {
    const env = { LISTEN_FDS: '1' };
    const fds = [counter()];
    const none = { passed: [], flags: [], left: [] };
    expect(await passTo(`LISTEN_PID=1 exec ${SCRIPT}`, { env, fds })).toEqual(none);
    const mine = await passTo(`LISTEN_PID=$$ exec ${SCRIPT}`, { env, fds });
    expect(mine).toMatchObject({ passed: [{ fd: 3, name: 'unknown' }] });
  });

  testWith(findProgram('systemd-socket-activate'), 'systemd-socket-activate')(
    'takes what systemd passes',
    async () => {
      const path = join(makeFolder(), 'socket');
      const command = `exec systemd-socket-activate -l ${path} --fdname=web -E PATH ${SCRIPT} 2>/dev/null`;
      const passed = passTo(command, {});
      const peers: Socket[] = [];
      await until(async () => {
        const peer = await client(0, { path } as never).catch(() => null);
        if (peer !== null) peers.push(peer);
        return peers.length > 0;
      });
      const peer = peers[0] as Socket;
      expect(await passed).toMatchObject({ passed: [{ fd: 3, name: 'web' }], left: [] });
      expect((await receive(peer, 3)).toString()).toBe('web');
    },
  );

  describe('in an environment', () => {
    const names = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];
    afterEach(() => {
      for (const name of names) delete process.env[name];
    });

    test.each([
      [{}, []],
      [{ LISTEN_PID: '1', LISTEN_FDS: '5' }, []],
      [{ LISTEN_PID: String(process.pid) }, []],
      [{ LISTEN_PID: String(process.pid), LISTEN_FDS: '0' }, []],
    ])('%j there is nothing', (environment, expected) => {
      Object.assign(process.env, environment);
      expect(listenFds()).toEqual(expected);
      expect(process.env).toMatchObject(environment);
      listenFds({ unsetEnvironment: true });
      expect(names.filter((name) => process.env[name] !== undefined)).toEqual([]);
    });

    test.each([
      ['LISTEN_PID', { LISTEN_PID: 'x', LISTEN_FDS: '1' }],
      ['LISTEN_FDS', { LISTEN_PID: String(process.pid), LISTEN_FDS: '-1' }],
      ['LISTEN_FDS', { LISTEN_PID: String(process.pid), LISTEN_FDS: '2147483647' }],
      [
        'LISTEN_FDNAMES',
        { LISTEN_PID: String(process.pid), LISTEN_FDS: '2', LISTEN_FDNAMES: 'one' },
      ],
    ])('%s that makes no sense is named', (name, environment) => {
      Object.assign(process.env, environment);
      expect(() => listenFds()).toThrow(RangeError);
      expect(() => listenFds()).toThrow(`"${name}"`);
    });

    test('the variables are removed also if they are wrong', () => {
      Object.assign(process.env, { LISTEN_PID: 'x', LISTEN_FDS: '1', LISTEN_FDNAMES: 'one' });
      expect(() => listenFds({ unsetEnvironment: true })).toThrow(RangeError);
      expect(names.filter((name) => process.env[name] !== undefined)).toEqual([]);
    });

    test('an fd that is not open is named', () => {
      let free = 3;
      while (fcntl(free, c.F_GETFD) >= 0) free += 1;
      const count = String(free - 2);
      Object.assign(process.env, { LISTEN_PID: String(process.pid), LISTEN_FDS: count });
      expect(() => listenFds()).toThrow(
        expect.objectContaining({
          code: 'EBADF',
          fd: free,
          message: expect.stringContaining(`fd ${free} of LISTEN_FDS=${count}: `),
        }),
      );
    });

    test('options are checked', () => {
      expect(() => listenFds({ unset: true } as never)).toThrow(/options of listenFds.*"unset"/);
    });
  });
});

describe('the option fd', () => {
  test('takes a listener over: close-on-exec, non-blocking, closed with the server', async () => {
    const fd = tcpListener();
    fcntl(fd, c.F_SETFD, 0);
    const server = new TcpServer({ fd, maxConnections: 10 });
    server.on('connection', (connection) => connection.write('hello'));
    expect(fcntl(fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
    expect(fcntl(fd, c.F_GETFL) & c.O_NONBLOCK).toBe(c.O_NONBLOCK);
    expect(server.address).toEqual({ family: 'IPv4', address: '127.0.0.1', port: server.port });
    expect((await receive(await client(server.port), 5)).toString()).toBe('hello');
    server.destroy();
    expect(fcntl(fd, c.F_GETFD)).toBeLessThan(0);
  });

  test('what does not listen is refused with a reason, and left open', () => {
    const path = join(makeFolder(), 'socket');
    const idle = closeLater(socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0));
    const packets = unixListener(`${path}-packets`, c.SOCK_SEQPACKET);
    const event = counter();
    const refused = [
      [idle, 'EINVAL', `fd ${idle} is a socket that does not listen`],
      [packets, 'EINVAL', `fd ${packets} is no stream socket`],
      [event, 'ENOTSOCK', `fd ${event} is no socket`],
      [1_000_000, 'EBADF', 'fd 1000000: bad file descriptor'],
    ] as const;
    for (const [fd, code, reason] of refused) {
      for (const make of [() => new TcpServer({ fd }), () => new UnixServer({ fd })]) {
        expect(make).toThrow(
          expect.objectContaining({ code, fd, message: expect.stringContaining(reason) }),
        );
      }
    }
    const unix = unixListener(path);
    expect(() => new TcpServer({ fd: unix })).toThrow(/is not bound to an IP address/);
    const tcp = tcpListener();
    expect(() => new UnixServer({ fd: tcp })).toThrow(/is not a unix socket/);
    expect(close(tcp)).toBe(0);
  });

  test.each([
    [{ noDelay: false, deferAcceptSeconds: 0 }, [false, false]],
    [{ noDelay: true, deferAcceptSeconds: 5 }, [true, true]],
    [{}, [true, false]],
  ])('%j is set on it', (options, expected) => {
    const fd = tcpListener();
    using server = new TcpServer({ fd, ...options });
    const isDeferred = (getSocketOption(server.fd, 'deferAcceptSeconds') as number) > 0;
    expect([getSocketOption(fd, 'noDelay'), isDeferred]).toEqual(expected);
  });

  test('a listener that another server of the loop has is refused, and stays that one’s', async () => {
    const fd = tcpListener();
    const server = new TcpServer({ fd });
    server.on('connection', (connection) => connection.write('hello'));
    expect(() => new TcpServer({ fd })).toThrow(expect.objectContaining({ code: 'EEXIST', fd }));
    expect((await receive(await client(server.port), 5)).toString()).toBe('hello');
    server.destroy();
    const path = join(makeFolder(), 'socket');
    const unix = unixListener(path);
    const other = new UnixServer({ fd: unix });
    expect(() => new UnixServer({ fd: unix, removeFile: true })).toThrow(/EEXIST/);
    expect(existsSync(path)).toBe(true);
    other.destroy();
    expect(close(unix)).toBeLessThan(0);
  });

  test('what says where to listen is not for a socket that does', () => {
    for (const extra of [{ port: 0 }, { host: '::' }, { backlog: 1 }, { reusePort: true }]) {
      const [name] = Object.keys(extra);
      expect(() => new TcpServer({ fd: 0, ...extra })).toThrow(
        new RegExp(`option "${name}" of TcpServer: not together with "fd"`),
      );
    }
    expect(() => new UnixServer({ fd: 0, path: 'x' })).toThrow(/option "path" of UnixServer/);
    expect(() => new TcpServer({ fd: -1 })).toThrow(/option "fd" of TcpServer/);
    expect(() => new UnixServer({})).toThrow(/option "path" of UnixServer/);
  });
});

test('a listener that was passed as stdin ends with its server, and the process does not', async () => {
  const fd = tcpListener();
  const probe = new TcpServer({ fd });
  const { port } = probe;
  const script = `
    const { TcpServer } = require('./src/net/server/tcp-server');
    const { openSync } = require('node:fs');
    const server = new TcpServer({ fd: 0 });
    server.close();
    console.log(openSync('/dev/null', 'r'));
    process.on('disconnect', () => process.exit());`;
  const args = [...RUNS_TYPESCRIPT, '-e', script];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: [fd, 'pipe', 'inherit', 'ipc'],
  });
  probe.close();
  const [opened] = await next<[Buffer]>(child.stdout as NodeJS.EventEmitter, 'data');
  // The number was not free for what was opened next.
  expect(Number(opened)).toBeGreaterThan(2);
  await expect(client(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const gone = next(child, 'exit');
  child.disconnect();
  expect(await gone).toEqual([0, null]);
});

describe('a listener that another owner has shut down', () => {
  test.each(
    (['level', 'edge', 'oneshot'] as const).flatMap((trigger) => [
      { kind: 'TCP', trigger },
      { kind: 'unix', trigger },
    ]),
  )('is reported as an error, and is not ready for ever: $kind, $trigger', async (which) => {
    const { kind, trigger: acceptTrigger } = which;
    const fd = kind === 'TCP' ? tcpListener() : unixListener(join(makeFolder(), 'socket'));
    const shared = closeLater(fcntl(fd, c.F_DUPFD_CLOEXEC));
    const Server = kind === 'TCP' ? TcpServer : UnixServer;
    const server = new Server({ fd, acceptTrigger });
    const failed = next<[{ code: string }]>(server, 'error');
    const closed = next(server, 'close');
    shutdown(shared, c.SHUT_RDWR);
    expect((await failed)[0].code).toBe('EINVAL');
    await closed;
    expect(server.listening).toBe(false);
  });

  test.each(['level', 'oneshot'] as const)(
    'for reading alone: a unix listener, watched by %s, is closed too',
    async (acceptTrigger) => {
      const fd = unixListener(join(makeFolder(), 'socket'));
      const shared = closeLater(fcntl(fd, c.F_DUPFD_CLOEXEC));
      const server = new UnixServer({ fd, acceptTrigger });
      const failed = next<[{ code: string }]>(server, 'error');
      const closed = next(server, 'close');
      shutdown(shared, c.SHUT_RD);
      expect((await failed)[0].code).toBe('EINVAL');
      await closed;
    },
  );
});
