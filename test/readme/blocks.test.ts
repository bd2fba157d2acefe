/**
 * Every block of code of the README is run as it stands, in a process of its own, with the fds,
 * files and clients it needs; each in network and mount namespaces of its own, where its ports and
 * paths are free.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import {
  constants as access,
  accessSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeAddress } from '../../src/sys/address';
import * as constants from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import { close } from '../../src/sys/io';
import { bind, listen, socket } from '../../src/sys/socket';
import { encodeUnixAddress } from '../../src/sys/unix-address';
import { certificate, OPENSSL } from '../support/certificate';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { testIf } from '../support/requires';
import { type Block, freeNames, installInto, readBlocks, transpile, writeScript } from './blocks';

expectNoFdLeaks();
// All blocks are started at once, and each has a minute.
jest.setTimeout(240_000);

const blocks = readBlocks(readFileSync(join(ROOT, 'README.md'), 'utf8'));
const scripts = blocks.filter(({ language }) => language !== 'sh');
const AT_ONCE = 3;
const TIMEOUT_MS = 60_000;

/** A private network with a loopback, and private mounts; `$$` becomes the script's own id. */
const UP = 'ip link set lo up && export LISTEN_PID=$$ && exec "$@"';
const unshare = [['-nm'], ['-rnm']].find((flags) => {
  const probe = 'mount -t tmpfs none /mnt && ip link set lo up';
  return spawnSync('unshare', [...flags, 'sh', '-c', probe]).status === 0;
});

interface Outcome {
  error: string | null;
  output: string;
}

let folder: string;
let outcomes: Promise<Outcome>[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'readme-'));
  installInto(folder, ['smtp-server', 'ws']);
  for (const name of ['run', 'provisions', 'drivers']) {
    const text = readFileSync(join(__dirname, `${name}.ts`), 'utf8');
    writeFileSync(join(folder, `${name}.js`), transpile(text, false));
  }
  outcomes = inTurns(scripts.map((block, index) => () => run(block, index)));
});

afterAll(async () => {
  await Promise.all(outcomes);
  rmSync(folder, { recursive: true });
});

/** Start all, a few at a time. */
function inTurns<T>(tasks: (() => Promise<T>)[]): Promise<T>[] {
  const started: Promise<T>[] = [];
  for (const task of tasks) {
    const before = started[started.length - AT_ONCE];
    started.push(before === undefined ? task() : before.then(task));
  }
  return started;
}

function run(block: Block, index: number): Promise<Outcome> {
  if (missing(block) !== null) return Promise.resolve({ error: null, output: '' });
  const home = join(folder, `home-${index}`);
  mkdirSync(home);
  const script = writeScript(folder, index, block);
  const text = join(folder, `text-${index}`);
  writeFileSync(text, block.text);
  if (OPENSSL !== null) {
    const { key, cert } = certificate();
    writeFileSync(join(home, 'key.pem'), key);
    writeFileSync(join(home, 'cert.pem'), cert);
  }
  const words = [process.execPath, join(folder, 'run.js'), script, text, ...freeNames(block)];
  const args = [...(unshare as string[]), 'sh', '-c', UP, 'sh', ...words];
  const passed = block.text.includes('listenFds') ? openListeners(home) : [];
  const child = spawn('unshare', args, {
    cwd: home,
    env: { ...process.env, LISTEN_FDS: `${passed.length}`, LISTEN_FDNAMES: 'web:control' },
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'pipe', ...passed],
  });
  for (const fd of passed) close(fd);
  return outcomeOf(child as ChildProcessWithoutNullStreams);
}

function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  let output = '';
  const append = (chunk: Buffer): void => {
    output += chunk;
  };
  child.stdout.on('data', append);
  child.stderr.on('data', append);
  child.stdin.on('error', () => {});
  child.stdin.end('hello\n');
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ error: code === 0 ? null : `it ended with ${signal ?? code}`, output });
    });
  });
}

/** What a service manager passes: a TCP listener and a unix one. */
function openListeners(home: string): number[] {
  const { AF_INET, AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } = constants;
  const places = [
    [AF_INET, encodeAddress({ address: '127.0.0.1', port: 0 })],
    [AF_UNIX, encodeUnixAddress({ path: join(home, 'passed.sock') })],
  ] as const;
  return places.map(([family, address]) => {
    const fd = unwrap(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
    unwrap(bind(fd, address), 'bind');
    unwrap(listen(fd, 1), 'listen');
    return fd;
  });
}

/** What this machine lacks for a block, or null. */
function missing({ text }: Block): string | null {
  if (unshare === undefined) return 'namespaces for networks and mounts';
  if (/\b(key|cert)\b/.test(text) && OPENSSL === null) return 'openssl';
  if (/PressureMonitor/.test(text) && !isWritable('/proc/pressure/memory')) {
    return 'pressure stall information';
  }
  return null;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, access.W_OK);
    return true;
  } catch {
    return false;
  }
}

test('the README has blocks', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(6);
});

test('what is typed at a shell are scripts of the package', () => {
  const known = Object.keys(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts);
  const commands = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replace(/#.*/g, '').split(/\n|&&/))
    .map((command) => command.trim())
    .filter((command) => command !== '');
  const npm = /^npm (?:ci|install(?: [\w@/-]+)*|(?:run )?([\w-]+)(?: .*)?)$/;
  for (const command of commands) {
    const script = npm.exec(command);
    expect({
      command,
      isKnown: script !== null && (script[1] === undefined || known.includes(script[1])),
    }).toEqual({
      command,
      isKnown: true,
    });
  }
});

describe('a block runs as it stands:', () => {
  for (const [index, block] of scripts.entries()) {
    testIf(missing(block) === null, missing(block) ?? '')(block.title, async () => {
      const { error, output } = await (outcomes[index] as Promise<Outcome>);
      if (error !== null) throw new Error(`${error}\n${output}\n${block.text}`);
    });
  }
});

describe('the runner itself', () => {
  const run1 = (text: string): Promise<Outcome> => {
    extra += 1;
    return run({ language: 'ts', title: 'made up', text }, scripts.length + extra);
  };
  let extra = 0;

  test('finds the names that a block takes for granted', () => {
    const text = 'const own = watch(fd);\nfor (const { other } of own) use({ key }, other);';
    expect(freeNames({ language: 'ts', title: '', text })).toEqual(['watch', 'fd', 'use', 'key']);
  });

  testIf(unshare !== undefined, 'namespaces')('a name that nothing provides fails', async () => {
    const { error, output } = await run1('frobnicate(fd);');
    expect(error).not.toBeNull();
    expect(output).toContain('nothing provides "frobnicate"');
  });

  testIf(unshare !== undefined, 'namespaces')('an exception in a listener fails', async () => {
    const { error, output } = await run1("watch(fd, () => sys.read(fd, 'no buffer' as never));");
    expect(error).not.toBeNull();
    expect(output).toContain('The "buffer" argument');
  });
});
