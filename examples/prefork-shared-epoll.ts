/**
 * Why each process needs an epoll set of its own: five processes, and one set inherited by all.
 *
 * The set is made before the processes are, and each inherits it, with the listener. A process accepts a
 * client and adds its fd to the set. But an fd is a number of one process, and the set is everybody's:
 * the line that the client sends is reported to a process that knows no such fd, or knows another one by
 * this number. Edge-triggered, it is reported once. So no process reads it, all waits return 0, and the client
 * waits for ever. After that the same with one set for each process: every round is answered.
 *
 *   run    npx ts-node examples/prefork-shared-epoll.ts                                  (ROUNDS=9999)
 *   see    the round in which all stalls, with the fd, the process that added it and the one that
 *          got the event; then ROUNDS rounds without a loss
 *   end    it ends by itself
 */
import { type ChildProcess, fork } from 'node:child_process';
import { connect, constants, Epoll, sys, type TcpConnection } from '../src';

const { EPOLLET, EPOLLIN, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK } = constants;
const HOST = '127.0.0.1';
const ROUNDS = Number(process.env['ROUNDS'] ?? 9_999);
const PROCESSES = 5;
/** Where a process finds what it inherits. */
const LISTENER = 3;
const SHARED_SET = 4;
const WAIT_MS = 20;

/** The messages of a process. */
type Report =
  | { type: 'ready' }
  | { type: 'accepted'; fd: number }
  | { type: 'unknown'; fd: number }
  /** A wait has returned 0. */
  | { type: 'nothing' };

async function main(): Promise<void> {
  const listener = listen();
  await experiment('shared', listener);
  await experiment('own', listener);
  sys.close(listener);
}

async function experiment(kind: 'shared' | 'own', listener: number): Promise<void> {
  using set = new Epoll();
  // By the number that it has in the processes.
  set.add(listener, EPOLLIN, { low: LISTENER, high: 0 });
  const pool = new Pool(kind, [listener, set.fd]);
  await pool.ready;
  const port = portOf(listener);
  let round = 0;
  while (round < ROUNDS && (await pool.exchange(port, `this is line ${round + 1}\n`))) round += 1;
  if (kind === 'shared') console.log(pool.stalled(round + 1));
  else console.log(`one set for each of ${PROCESSES} processes: ${round} rounds, all answered`);
  await pool.end();
}

/** The five processes, and what they have said in this round. */
class Pool {
  readonly ready: Promise<unknown>;
  readonly #kind: string;
  readonly #children: ChildProcess[];
  readonly #nothing = new Map<ChildProcess, number>();
  #accepted = '';
  #unknown = '';
  #onReport: (report: Report) => void = () => {};

  constructor(kind: string, fds: number[]) {
    this.#kind = kind;
    this.#children = Array.from({ length: PROCESSES }, () =>
      fork(__filename, ['child', kind], {
        execArgv: process.execArgv,
        stdio: ['ignore', 'inherit', 'inherit', ...fds, 'ipc'],
      }),
    );
    const starts = this.#children.map(
      (child) => new Promise((resolve) => child.on('message', resolve)),
    );
    this.ready = Promise.all(starts);
    for (const child of this.#children) {
      child.on('message', (report) => this.#note(child, report as Report));
    }
  }

  /** Connect, send a line, read it back, close. False if no answer can come any more. */
  async exchange(port: number, line: string): Promise<boolean> {
    this.#accepted = '';
    this.#unknown = '';
    const connection = await connect({ host: HOST, port });
    // A client that takes its time: by now all have begun another wait, in whatever order.
    if (this.#kind === 'shared') await this.#waits(2, () => false);
    let answer = '';
    connection.on('data', (chunk) => {
      answer += chunk;
    });
    connection.on('error', () => {});
    connection.write(line);
    const isWhole = (): boolean => answer.endsWith('\n');
    if (this.#kind === 'shared') await this.#waits(3, isWhole);
    else while (!isWhole()) await nextData(connection);
    connection.destroy();
    return answer === line;
  }

  stalled(round: number): string {
    const waits = [...this.#nothing.values()].reduce((sum, count) => sum + count, 0);
    return (
      `one set for ${PROCESSES} processes: all stalls in round ${round}: ${this.#accepted}; its line was ` +
      `reported to ${this.#unknown || 'another one'}; since then ${waits} waits have returned 0`
    );
  }

  async end(): Promise<void> {
    const ends = this.#children.map(
      (child) => new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ends);
  }

  /** Until `count` waits of each process have returned 0, or `isOver`. */
  #waits(count: number, isOver: () => boolean): Promise<void> {
    this.#nothing.clear();
    for (const child of this.#children) this.#nothing.set(child, 0);
    return new Promise((resolve) => {
      this.#onReport = () => {
        const isQuiet = [...this.#nothing.values()].every((waits) => waits >= count);
        if (!isQuiet && !isOver()) return;
        this.#onReport = () => {};
        resolve();
      };
    });
  }

  #note(child: ChildProcess, report: Report): void {
    switch (report.type) {
      case 'accepted':
        this.#accepted = `fd ${report.fd} was added by process ${child.pid}`;
        break;
      case 'unknown':
        this.#unknown = `process ${child.pid}, which has no connection with the fd ${report.fd}`;
        break;
      case 'nothing':
        this.#nothing.set(child, (this.#nothing.get(child) ?? 0) + 1);
        break;
    }
    this.#onReport(report);
  }
}

function nextData(connection: TcpConnection): Promise<unknown> {
  return new Promise((resolve) => connection.once('data', resolve));
}

/** In a process: wait, accept, echo; round after round of Node's loop, so that it can also send reports. */
function serve(isShared: boolean): void {
  const set = isShared ? SHARED_SET : new Epoll().fd;
  const event = sys.createEventBuffer(1);
  if (!isShared) control(set, LISTENER, EPOLLIN);
  const mine = new Set<number>();
  const buffer = Buffer.alloc(1_024);
  report({ type: 'ready' });
  turn();

  function turn(): void {
    const count = sys.unwrap(sys.epollWait(set, event, 1, WAIT_MS), 'epoll_wait');
    const fd = event[sys.EVENT_DATA_LOW_WORD] as number;
    if (count === 0) report({ type: 'nothing' });
    else if (fd === LISTENER) accept();
    else if (mine.has(fd)) echo(fd);
    else report({ type: 'unknown', fd });
    setImmediate(turn);
  }

  function accept(): void {
    const fd = sys.accept4(LISTENER, SOCK_NONBLOCK | SOCK_CLOEXEC);
    // Another process was faster.
    if (fd < 0) return;
    mine.add(fd);
    report({ type: 'accepted', fd });
    control(set, fd, EPOLLIN | EPOLLET);
  }

  function echo(fd: number): void {
    const bytes = sys.recv(fd, buffer, buffer.length, 0);
    if (bytes > 0) return void sys.send(fd, buffer, bytes, MSG_NOSIGNAL);
    if (bytes < 0) return;
    mine.delete(fd);
    sys.close(fd);
  }

  function control(epfd: number, fd: number, events: number): void {
    const added = sys.createEventBuffer(1);
    added[sys.EVENT_MASK_WORD] = events >>> 0;
    added[sys.EVENT_DATA_LOW_WORD] = fd;
    sys.unwrap(sys.epollCtl(epfd, constants.EPOLL_CTL_ADD, fd, added), 'epoll_ctl');
  }
}

function report(what: Report): void {
  process.send?.(what);
}

function listen(): number {
  const where = { address: HOST, port: 0 };
  const type = constants.SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = sys.unwrap(sys.socket(constants.AF_INET, type, 0), 'socket');
  sys.unwrap(sys.bind(fd, sys.encodeAddress(where)), 'bind', where);
  sys.unwrap(sys.listen(fd, 128), 'listen');
  return fd;
}

function portOf(fd: number): number {
  const bound = new Uint8Array(sys.ADDRESS_BYTES);
  sys.unwrap(sys.getsockname(fd, bound), 'getsockname');
  return sys.decodeAddress(bound)?.port ?? 0;
}

if (process.argv[2] === 'child') serve(process.argv[3] === 'shared');
else void main();
