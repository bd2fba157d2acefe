/** The process of subject.ts, with or without strace(1) round it, and what a test says to it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Child, runTs } from '../../support/child';
import { client, receive } from '../../support/client';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { until } from '../../support/until';

const strace = findProgram('strace');
const QUIET = ['-f', '--seccomp-bpf', '-qq', '-o', '/dev/null'];
const canTrace =
  strace !== null && spawnSync(strace, ['-qq', '-o', '/dev/null', 'true']).status === 0;

/** A test that needs strace(1). */
export const testTraced = testWith(canTrace ? strace : null, 'strace, and the right to use it');

const children: Child[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    // The end of its input ends it, also under strace.
    child.process.stdin?.end();
    await child.exit();
  }
});

/** The faults of a process: `['sendto:error=ENOBUFS:when=1']`, as strace(1) has them. */
function tracing(faults: string[]): string[] {
  const calls = faults.map((fault) => fault.split(':', 1)[0]).join(',');
  const inject = faults.flatMap((fault) => ['-e', `inject=${fault}`]);
  return ['-e', `trace=${calls}`, ...inject];
}

/** A server in a process of its own. */
export class Subject {
  readonly child: Child;
  port = 0;

  constructor(args: string[], faults: string[] = []) {
    const command = faults.length === 0 ? [] : [strace as string, ...QUIET, ...tracing(faults)];
    this.child = runTs('test/faults/programs/subject.ts', { args, command });
    children.push(this.child);
  }

  async listening(): Promise<this> {
    this.port = Number((await this.child.printed(/port (\d+)/, 60_000))[1]);
    return this;
  }

  /** How often `pattern`, which is global, was printed so far. */
  count(pattern: RegExp): number {
    return this.child.stdout.match(pattern)?.length ?? 0;
  }

  /** Give a command, and wait for its answer. Answers are told apart by what stands before them. */
  async tell(command: string, answer: RegExp): Promise<string[]> {
    const from = this.child.stdout.length;
    this.child.process.stdin?.write(`${command}\n`);
    const found = (): RegExpExecArray | null => answer.exec(this.child.stdout.slice(from));
    await until(() => found() !== null, 60_000);
    return (found() as RegExpExecArray).slice(1);
  }

  /** Wait until the server has no connection, no fd and no timer that it had not at the start. */
  async isAtBase(): Promise<void> {
    const stats = (): Promise<string[]> => this.tell('stats', /stats (\d+) (-?\d+) (\d+) (\d+)/);
    const isBase = async (): Promise<boolean> => {
      const [connections, fds, watched, timers] = (await stats()).map(Number);
      return connections === 0 && fds === 0 && watched === 1 && timers === 0;
    };
    await until(isBase, 60_000).catch(async () =>
      expect(await stats()).toEqual(['0', '0', '1', '0']),
    );
    expect(this.count(/uncaught/g)).toBe(0);
  }

  /** Begin to inject faults now, by another strace(1); only where that may be done. */
  async attack(faults: string[]): Promise<void> {
    const pid = this.child.process.pid as number;
    const tracer = new Child(strace as string, [
      ...QUIET.slice(0, 1),
      ...QUIET.slice(2),
      '-p',
      String(pid),
      ...tracing(faults),
    ]);
    children.push(tracer);
    await until(() => threadsOf(pid).every(isTraced) || tracer.process.exitCode !== null, 60_000);
    expect(tracer.process.exitCode).toBe(null);
  }
}

function threadsOf(pid: number): string[] {
  const { stdout } = spawnSync('ls', [`/proc/${pid}/task`], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((thread) => `/proc/${pid}/task/${thread}/status`);
}

function isTraced(status: string): boolean {
  return !/^TracerPid:\s+0$/m.test(readFileSync(status, 'utf8'));
}

/** Whether this client is answered; false if it is cut. */
export async function isServed(peer: Socket): Promise<boolean> {
  peer.write('hello');
  return receive(peer, 5).then(
    (answer) => answer.toString() === 'hello',
    () => false,
  );
}

/** Connect `count` clients at once: how many are answered. They leave again. */
export async function countServed(port: number, count: number): Promise<number> {
  const peers = await Promise.all(Array.from({ length: count }, () => client(port)));
  const answers = await Promise.all(peers.map(isServed));
  for (const peer of peers) peer.destroy();
  return answers.filter(Boolean).length;
}
