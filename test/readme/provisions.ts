/**
 * What the blocks of the README take for granted: fds with something to read, files, processes,
 * functions of Node. Keyed on the names that a block uses and on its text, never on its place.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';

type Sys = typeof import('../../src/sys');

/** What is made for a block, and what is to be driven and ended. */
export interface Stage {
  sys: Sys;
  text: string;
  /** Folders in which files are to change. */
  folders: string[];
  /** Ends what was made. */
  cleanups: (() => void)[];
}

/** The values of free names, by name. */
export const PROVISIONS: Record<string, (stage: Stage) => unknown> = {
  fd: (stage) => (/sendFile\(fd\b/.test(stage.text) ? fileOf(10_000_000) : readableFd(stage)),
  other: readableFd,
  pid: ({ cleanups }) => {
    const child = spawn('sleep', ['60']);
    cleanups.push(() => child.kill('SIGKILL'));
    return child.pid;
  },
  value: () => Buffer.alloc(16),
  store: () => async (): Promise<void> => {},
  key: () => fs.readFileSync('key.pem', 'utf8'),
  cert: () => fs.readFileSync('cert.pem', 'utf8'),
  smtp: () => {
    // Loaded only where it is used.
    const { SMTPServer } = require('smtp-server') as typeof import('smtp-server');
    const server = new SMTPServer({ disabledCommands: ['STARTTLS'], authOptional: true });
    server.on('error', () => {});
    return server;
  },
  openSync: () => openOrStandIn,
  readSync: () => fs.readSync,
  spawn: () => spawn,
};

/** A socket with bytes to read, and the end behind them. */
function readableFd({ sys }: Stage): number {
  const { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = sys.constants;
  const pair = new Int32Array(2);
  sys.unwrap(
    sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
    'socketpair',
  );
  const [ours, theirs] = pair as unknown as [number, number];
  sys.unwrap(sys.write(theirs, Buffer.from('hello\n')), 'write');
  sys.unwrap(sys.shutdown(theirs, sys.constants.SHUT_WR), 'shutdown');
  return ours;
}

function fileOf(bytes: number): number {
  const fd = fs.openSync('ten-million-bytes', 'w+');
  fs.ftruncateSync(fd, bytes);
  return fd;
}

/** Of hardware that this machine has not, another file that reports EPOLLPRI and can be read. */
function openOrStandIn(path: string, flags: string): number {
  const isHardware = /^\/(sys|dev)\//.test(path) && !fs.existsSync(path);
  return fs.openSync(isHardware ? '/proc/self/mounts' : path, flags);
}

/** The files and folders that blocks name, below the working folder. */
export function makeFiles(stage: Stage): void {
  for (const folder of ['public', 'src']) fs.mkdirSync(folder);
  fs.writeFileSync('public/index.html', '<h1>hello</h1>\n');
  fs.writeFileSync('film.mp4', Buffer.alloc(100_000));
  stage.folders.push('src');
  for (const { 1: path = '' } of stage.text.matchAll(/'(\/[\w./-]+)'/g)) makeAbsolute(stage, path);
}

/** An echo server at each port that a block connects to and does not listen at. */
export async function makeServers({ text }: Stage): Promise<void> {
  for (const { 1: port = '' } of text.matchAll(/\bconnect\(\{[^}]*\bport: (\d+)/g)) {
    if (text.split(`port: ${port}`).length > 2) continue;
    const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
  }
}

/** An absolute path that is not there, in memory that only this mount namespace has. */
function makeAbsolute({ folders }: Stage, path: string): void {
  if (/^\/(proc|sys|dev)\//.test(path) || fs.existsSync(path)) return;
  // A path for a server, as of WebSockets, is no file.
  const folder = /\.\w+$/.test(path) ? dirname(path) : path;
  let existing = dirname(path);
  while (!fs.existsSync(existing)) existing = dirname(existing);
  if (existing === '/') return;
  mountAt(existing);
  fs.mkdirSync(folder, { recursive: true });
  if (folder === path) folders.push(path);
}

/** Mount an empty file system in memory at `folder`, for this mount namespace alone. */
export function mountAt(folder: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', 'none', folder]);
  if (status !== 0) throw new Error(`mount: ${stderr}`);
}

/** Change the files of the folders: write one, and rename it. */
export function changeFiles({ folders }: Stage): void {
  for (const folder of folders) {
    fs.writeFileSync(join(folder, 'written'), 'text');
    fs.renameSync(join(folder, 'written'), join(folder, 'renamed'));
  }
}
