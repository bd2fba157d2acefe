/**
 * Options: each one that an interface declares is documented there, and refused by its name if its
 * value makes no sense. The interfaces are read from the sources, so that none is forgotten.
 */
import { readFileSync } from 'node:fs';
import { Server } from 'node:net';
import { join } from 'node:path';
import { sendFile } from '../../src/http/files/send-file';
import { serveFiles } from '../../src/http/files/serve-files';
import { connect } from '../../src/net/client/connect';
import { FdDuplex } from '../../src/net/duplex/fd-duplex';
import { listenFds } from '../../src/net/server/listen-fds';
import { TcpServer } from '../../src/net/server/tcp-server';
import { UnixServer } from '../../src/net/server/unix-server';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { ROOT } from '../support/child';
import { connected } from '../support/connections';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { pair } from '../support/fds';

expectNoFdLeaks();

const BAD_LIMIT = [-1, Infinity, Number.NaN, '5', 2 ** 31];
const BAD_COUNT = [0, -1, 1.5, '5', Number.NaN];
const BAD_FLAG = [1, 'yes', null];

/** Values that are wrong wherever an option of this name stands. */
const WRONG: Record<string, unknown[]> = {
  trigger: ['both', 1, null],
  listener: [null, 1, {}, 'web'],
  allowHalfOpen: BAD_FLAG,
  highWaterMark: BAD_COUNT,
  maxQueuedBytes: BAD_COUNT,
  idleTimeoutMs: BAD_LIMIT,
  writeTimeoutMs: BAD_LIMIT,
  lifetimeMs: BAD_LIMIT,
  minReadRate: [1, 'slow', {}, { bytesPerSecond: 0 }, { bytesPerSecond: 1, windowMs: 0 }],
  urgentData: BAD_FLAG,
  readQuantumBytes: BAD_COUNT,
  writeQuantumBytes: BAD_COUNT,
  writeStrategy: ['never', 1],
  handler: [{}, null, () => {}],
  port: [-1, 65_536, 1.5, '80'],
  host: ['example.org', '1.2.3', 5, ''],
  backlog: BAD_COUNT,
  acceptTrigger: ['ET', null],
  reusePort: BAD_FLAG,
  ipv6Only: BAD_FLAG,
  fd: [-1, 1.5, '3', 2 ** 31],
  deferAcceptSeconds: [-1, 0.5, '1'],
  maxConnections: BAD_COUNT,
  maxConnectionsPerAddress: BAD_COUNT,
  maxConnectionsPerUser: BAD_COUNT,
  noDelay: BAD_FLAG,
  loop: [{}, null],
  removeFile: [1, 'yes'],
  address: ['example.org', 5, ''],
  localAddress: ['example.org', 5, '::1'],
  localPort: [-1, 65_536, '80'],
  connectTimeoutMs: BAD_LIMIT,
  signal: [{}, null],
  server: [{}, null, 1],
  protocols: ['chat', [''], [1]],
  authorize: [true, null],
  maxMessageBytes: BAD_COUNT,
  maxFragments: BAD_COUNT,
  pingIntervalMs: BAD_LIMIT,
  closeTimeoutMs: [0, ...BAD_LIMIT],
  handshakeTimeoutMs: [0, 300_001, ...BAD_LIMIT],
  deadlineMs: BAD_LIMIT,
  handedOver: BAD_FLAG,
  readableHighWaterMark: [-1, 1.5, '5'],
  writableHighWaterMark: [-1, 1.5, '5'],
  ownsFd: BAD_FLAG,
  range: BAD_FLAG,
  etag: ['no quotes', 1, null],
  lastModified: ['today', 1, null],
  contentType: ['', 1],
  index: ['a/b', 1, true],
  dotfiles: ['deny', 1],
  cacheControl: ['', 1],
  unsetEnvironment: BAD_FLAG,
};

type Take = (options: Record<string, unknown>) => unknown;

interface Case {
  /** Where the options are declared. */
  file: string;
  interfaces: string[];
  /** What else must be given for the options to be looked at. */
  base?: Record<string, unknown>;
  take: Take;
  /** Wrong values of options that mean something else here. */
  wrong?: Record<string, unknown[]>;
}

const CONNECTION = { file: 'net/connection/options.ts', interfaces: ['ConnectionOptions'] };
const tcp: Take = (options) => new TcpServer(options as never);
const unix: Take = (options) => new UnixServer(options as never);
const client: Take = (options) => connect(options as never);
const NOBODY = '\0epoll-ffi-options-nobody';
/** A response that is never touched, as the options come first. */
const response = { writeHead() {}, req: {} } as never;

const CASES: Record<string, Case> = {
  'TcpServer, connections': { ...CONNECTION, base: { port: 0 }, take: tcp },
  'UnixServer, connections': { ...CONNECTION, base: { path: NOBODY }, take: unix },
  'connect, connections': { ...CONNECTION, base: { path: NOBODY }, take: client },
  TcpServer: {
    file: 'net/server/tcp-server.ts',
    interfaces: ['TcpServerOptions'],
    base: { port: 0 },
    take: tcp,
  },
  UnixServer: {
    file: 'net/server/unix-server.ts',
    interfaces: ['UnixServerOptions'],
    base: { path: NOBODY },
    take: unix,
    wrong: { path: ['', 5, null], removeFile: [true, 1] },
  },
  'connect, by TCP': {
    file: 'net/client/options.ts',
    interfaces: ['CommonOptions', 'TcpConnectOptions'],
    base: { port: 1 },
    take: client,
    wrong: { port: [0, 65_536, '80'] },
  },
  'connect, to a path': {
    file: 'net/client/options.ts',
    interfaces: ['CommonOptions', 'UnixConnectOptions'],
    base: { path: NOBODY },
    take: client,
    wrong: { path: ['', 5] },
  },
  WebSocketServer: {
    file: 'ws/web-socket-server-options.ts',
    interfaces: ['WebSocketServerOptions'],
    base: { port: 0 },
    take: (options) => new WebSocketServer(options as never),
    wrong: { path: ['chat', 1] },
  },
  FdDuplex: {
    file: 'net/duplex/options.ts',
    interfaces: ['FdDuplexOptions'],
    take: (options) => new FdDuplex(pair()[0], options as never),
    wrong: { highWaterMark: [-1, 1.5, '5'] },
  },
  shutdown: {
    file: 'net/server/shutdown.ts',
    interfaces: ['ShutdownOptions'],
    take: async (options) => {
      using server = new TcpServer({ port: 0 });
      await server.shutdown(options as never);
    },
  },
  sendFile: {
    file: 'http/files/send-file-options.ts',
    interfaces: ['SendFileOptions'],
    take: (options) => sendFile(response, '/', options as never),
  },
  serveFiles: {
    file: 'http/files/serve-files.ts',
    interfaces: ['ServeFilesOptions'],
    take: (options) => serveFiles('/', options as never),
  },
  listenFds: {
    file: 'net/server/listen-fds.ts',
    interfaces: ['ListenFdsOptions'],
    take: (options) => listenFds(options as never),
  },
};

/** The options that an interface declares, each with whether a comment stands before it. */
function declared({ file, interfaces }: Case): { name: string; isDocumented: boolean }[] {
  const source = readFileSync(join(ROOT, 'src', file), 'utf8');
  return interfaces.flatMap((name) => {
    const body = new RegExp(`interface ${name}\\b[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(source)?.[1];
    if (body === undefined) throw new Error(`no interface ${name} in ${file}`);
    return [...body.matchAll(/(\*\/)?\n {2}(?:readonly )?(\w+)\??:/g)].map((match) => ({
      name: match[2] as string,
      isDocumented: match[1] !== undefined,
    }));
  });
}

describe.each(Object.keys(CASES))('%s', (title) => {
  const subject = CASES[title] as Case;
  const names = declared(subject).map(({ name }) => name);

  test('each option is documented', () => {
    const undocumented = declared(subject).filter(({ isDocumented }) => !isDocumented);
    expect(names.length).toBeGreaterThan(0);
    // What says where is said by its name and by the constructor.
    expect(undocumented.map(({ name }) => name).filter((name) => name !== 'port')).toEqual([]);
  });

  test.each(names)('%s: a wrong value is refused by name', async (name) => {
    const values = subject.wrong?.[name] ?? WRONG[name] ?? [];
    expect(values.length).toBeGreaterThan(0);
    for (const value of values) {
      const { base = {}, take } = subject;
      const options = name === 'fd' ? { fd: value } : { ...base, [name]: value };
      const attempt = async (): Promise<unknown> => take(options);
      await expect(attempt()).rejects.toThrow(
        expect.objectContaining({
          code: expect.stringMatching(/^ERR_(INVALID_ARG_(VALUE|TYPE)|OUT_OF_RANGE)$/),
          message: expect.stringContaining(`"${name}`),
        }),
      );
    }
  });

  test('an option that does not exist is refused by name', async () => {
    const attempt = async (): Promise<unknown> => subject.take({ ...subject.base, nonsense: 1 });
    await expect(attempt()).rejects.toThrow(/"nonsense"/);
  });
});

test('the error for a nearly right name has the right one, and a value once and on one line', () => {
  const message = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('nothing was thrown');
  };
  expect(message(() => new TcpServer({ port: 0, idleTimeout: 5 } as never))).toMatch(
    /^Invalid options of TcpServer: Unrecognized key: "idleTimeout" \(there is idleTimeoutMs\)\./,
  );
  expect(message(() => new TcpServer({ port: 0, maxconnections: 5 } as never))).toContain(
    '(there is maxConnections, maxConnectionsPerAddress)',
  );
  expect(message(() => new TcpServer({ port: 0, tls: true } as never))).not.toContain('there is');
  expect(message(() => new TcpServer({} as never))).toBe(
    'Invalid option "port" of TcpServer: expected number. Received undefined',
  );
  const large = message(() => new WebSocketServer({ server: new Server() } as never));
  expect(large).toMatch(/^Invalid option "server" of WebSocketServer: expected StreamServer\. /);
  expect(large).not.toContain('\n');
  expect(large.length).toBeLessThan(300);
});

test('what is neither a connection nor fds is no source of a stream', () => {
  for (const wrong of [new Server(), [3], new Date()]) {
    expect(() => new FdDuplex(wrong as never)).toThrow(
      /"source" argument must be a connection, an fd, or an object with readFd and writeFd/,
    );
  }
});

test('a high-water mark that is never reached is refused, and the default is none', async () => {
  expect(() => new TcpServer({ port: 0, highWaterMark: 1_001, maxQueuedBytes: 1_000 })).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_ARG_VALUE',
      message:
        'Invalid option "highWaterMark": expected at most maxQueuedBytes, 1000. Received 1001',
    }),
  );
  const { connection } = await connected({ maxQueuedBytes: 1_000 });
  connection.cork();
  expect(connection.write(Buffer.alloc(999))).toBe(true);
  expect(connection.write(Buffer.alloc(1))).toBe(false);
  connection.destroy();
});
