/**
 * A file of 10 MiB over keep-alive connections: ours by sendfile(2), a stream piped into a response of
 * node:http, and nginx with one worker, where it is installed.
 *
 * All listen on sockets made here: once with a congestion control that does not pace, and once with
 * the machine's. Where that paces (BBR), each segment waits for a timer, also on loopback; then the
 * timers are what is measured, most of all with those who have little else to do.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sys from '../../src/sys';
import { findProgram } from '../support/programs';
import { summarize } from './compare';
import { contend, type Effort, type Entrant, present } from './contest';
import { type Command, compile, script } from './programs';
import type { Report } from './report';

const { AF_INET, IPPROTO_TCP, SOCK_CLOEXEC, SOCK_STREAM } = sys.constants;
const TCP_CONGESTION = 13;
const MIB = 1024 * 1024;
const FILE_BYTES = 10 * MIB;
const CONNECTIONS = 8;
/** The first fd after the standard ones: where a server finds its listener. */
const LISTENER_FD = 3;
const BACKLOG = 128;
/** What nginx wants to have a place for, needed or not. */
const SCRATCH_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

interface FileCase {
  name: string;
  /** TCP_CONGESTION; null for what the machine has. */
  congestion: string | null;
}

const CASES: FileCase[] = [
  { name: 'file of 10 MiB', congestion: 'reno' },
  { name: 'file of 10 MiB, paced as by default', congestion: null },
];

/** The cases, and what measures them. */
export function files() {
  return CASES.map((one) => ({
    name: one.name,
    measure: (effort: Effort) => measure(one, effort),
  }));
}

async function measure(
  { name, congestion }: FileCase,
  effort: Effort,
): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const program = compile('loads/downloads.c');
  if (program === null) return { rows: [], ratios: {} };
  const folder = mkdtempSync(join(tmpdir(), 'bench-files-'));
  const listeners: number[] = [];
  const listening = (): { fd: number; port: number } => {
    const listener = listen(congestion);
    listeners.push(listener.fd);
    return listener;
  };
  try {
    const path = join(folder, 'file');
    writeFileSync(path, randomBytes(FILE_BYTES));
    const load = { program, args: [CONNECTIONS, FILE_BYTES] };
    const contenders = {
      ours: [...script('servers/file-ours.ts'), path] satisfies Command,
      'node:http': [...script('servers/file-node.ts'), path] satisfies Command,
    };
    const entrants: Entrant[] = present(contenders, load).map((one) => {
      return { ...one, options: { fd: listening().fd } };
    });
    const { fd, port } = listening();
    const server = nginx(folder, port);
    const env = { NGINX: `${LISTENER_FD};` };
    if (server !== null) entrants.push({ name: 'nginx', server, options: { fd, env }, load });
    const samples = await contend(entrants, effort);
    return summarize(name, samples, { '': 'perCpuSecond' }, 'MiB');
  } finally {
    for (const fd of listeners) sys.close(fd);
    rmSync(folder, { recursive: true });
  }
}

/** A listener at a free port. */
function listen(congestion: string | null): { fd: number; port: number } {
  const fd = sys.unwrap(sys.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  const address = sys.encodeAddress({ address: '127.0.0.1', port: 0 });
  if (congestion !== null) {
    const name = Buffer.from(congestion);
    sys.unwrap(sys.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name), 'setsockopt');
  }
  sys.unwrap(sys.bind(fd, address), 'bind');
  sys.unwrap(sys.listen(fd, BACKLOG), 'listen');
  sys.unwrap(sys.getsockname(fd, address), 'getsockname');
  return { fd, port: sys.decodeAddress(address)?.port ?? 0 };
}

/** nginx with `folder` as its root and one worker; it finds its listener by the variable NGINX. */
function nginx(folder: string, port: number): Command | null {
  const program = findProgram('nginx', '../sbin/nginx');
  if (program === null) {
    console.warn('nginx is not installed');
    return null;
  }
  const configuration = join(folder, 'nginx.conf');
  const scratch = SCRATCH_PATHS.map((name) => `${name}_temp_path ${folder}/scratch;`).join(' ');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    configuration,
    `daemon off; worker_processes 1; ${user} pid ${folder}/pid; error_log stderr warn;
    events { worker_connections 1024; }
    http {
      sendfile on; tcp_nopush on; access_log off; keepalive_requests 1000000000; ${scratch}
      server { listen 127.0.0.1:${port}; root ${folder}; }
    }`,
  );
  const start = 'echo "$0"; exec "$@"';
  return ['sh', '-c', start, `${port}`, program, '-e', 'stderr', '-p', folder, '-c', configuration];
}
