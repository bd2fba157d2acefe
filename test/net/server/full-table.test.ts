/** A server without fds, without memory, and with all the other errors of accept4(2). */
import { spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { EventLoop } from '../../../src/loop/event-loop';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { FIRST_REST_MS } from '../../../src/net/socket/shortage';
import { errno, SystemError } from '../../../src/sys/errno';
import { type Child, runTs } from '../../support/child';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const SCRIPT = 'test/net/programs/full-table.ts';

const children: Child[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    // The end of its input ends it, also under strace.
    child.process.stdin?.end();
    await child.exit();
  }
});

/** A server in a child, told what to do. */
class Subject {
  readonly child: Child;
  port = 0;

  constructor(...[options]: [Parameters<typeof runTs>[1]?]) {
    this.child = runTs(SCRIPT, options);
    children.push(this.child);
  }

  async listening(): Promise<this> {
    this.port = Number((await this.child.printed(/port (\d+)/))[1]);
    return this;
  }

  /** Give a command, and wait for its answer. */
  async tell(command: string, answer: RegExp): Promise<number[]> {
    this.child.stdout = '';
    this.child.process.stdin?.write(`${command}\n`);
    const [, ...numbers] = await this.child.printed(answer);
    return numbers.map(Number);
  }

  /** Use up all fds but `room`. */
  async fill(room: number): Promise<void> {
    await this.tell('fill', /filled \d+/);
    await this.tell(`room ${room}`, /room \d+/);
  }
}

/** Whether this client is answered; false if it is cut. */
async function isServed(peer: Socket): Promise<boolean> {
  peer.write('hello');
  return receive(peer, 5).then(
    (answer) => answer.toString() === 'hello',
    () => false,
  );
}

/** Clients that connect one after the other, and whether each is answered. */
async function serve(port: number, count: number): Promise<{ served: Socket[]; cut: number }> {
  const peers = await Promise.all(Array.from({ length: count }, () => client(port)));
  const answers = await Promise.all(peers.map(isServed));
  const served = peers.filter((_, index) => answers[index]);
  return { served, cut: count - served.length };
}

/** The loop of `subject` sleeps: commands come and are answered, which is no matter of that loop. */
async function expectNoTurns(subject: Subject): Promise<void> {
  const turns = async (): Promise<number> =>
    (await subject.tell('turns', /turns (\d+)/))[0] as number;
  // What had begun before is over when the number stays the same.
  let before = await turns();
  await until(async () => {
    const [former, now] = [before, await turns()];
    before = now;
    return now === former;
  });
  for (let round = 0; round < 20; round += 1) expect(await turns()).toBe(before);
}

const printed = (subject: Subject, pattern: RegExp): number =>
  subject.child.stdout.match(pattern)?.length ?? 0;

describe('with all fds used', () => {
  test('as many are served as there is room, the others are cut, and one error is told', async () => {
    const subject = await new Subject().listening();
    await subject.fill(5);
    const { served, cut } = await serve(subject.port, 40);
    expect([served.length, cut]).toEqual([5, 35]);
    expect(await isServed(served[0] as Socket)).toBe(true);
    expect(printed(subject, /error/g)).toBe(1);
    expect(subject.child.stdout).toMatch(
      /error EMFILE accept4 EMFILE: too many open files; clients turned away: \d+\n/,
    );
    expect(printed(subject, /drop noFds 127\.0\.0\.1\n/g)).toBe(35);
    expect(await subject.tell('stats', /stats (\d+) (\d+)/)).toEqual([5, 35]);
  });

  test('a connection that closes ends the rest early', async () => {
    const subject = await new Subject({ args: ['endless'] }).listening();
    await subject.fill(2);
    const { served, cut } = await serve(subject.port, 3);
    expect([served.length, cut]).toEqual([2, 1]);
    // The listener rests for an hour. Without the close, this would have to wait for it.
    const late = await client(subject.port);
    const answer = isServed(late);
    served[0]?.destroy();
    expect(await answer).toBe(true);
  });

  test('service resumes by itself when there are fds again', async () => {
    const subject = await new Subject().listening();
    await subject.fill(0);
    expect((await serve(subject.port, 3)).cut).toBe(3);
    await subject.tell('room 10', /room/);
    expect((await serve(subject.port, 10)).cut).toBe(0);
    // The spare is there again, too.
    expect((await serve(subject.port, 3)).cut).toBe(3);
  });

  test('nothing is done while it rests, though many clients wait', async () => {
    const subject = await new Subject({ args: ['endless'] }).listening();
    await subject.fill(1);
    const { served, cut } = await serve(subject.port, 2);
    expect([served.length, cut]).toEqual([1, 1]);
    const waiting = await Promise.all(Array.from({ length: 50 }, () => client(subject.port)));
    await expectNoTurns(subject);
    expect(waiting.filter(({ destroyed }) => destroyed)).toEqual([]);
  });
});

const strace = findProgram('strace');
const canTrace =
  strace !== null && spawnSync(strace, ['-qq', '-o', '/dev/null', 'true']).status === 0;
const testTraced = testWith(canTrace ? strace : null, 'strace, and the right to use it');

/** A server whose accept4 calls fail as told. */
function faulty(error: string, when: string, args: string[] = []): Promise<Subject> {
  const inject = `inject=accept4:error=${error}:when=${when}`;
  const trace = ['-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-e', 'trace=accept4'];
  const command = [strace as string, ...trace, '-e', inject];
  return new Subject({ args, command }).listening();
}

describe('accept4 fails', () => {
  for (const error of ['ECONNABORTED', 'EPROTO', 'EINTR']) {
    testTraced(
      `three times with ${error}, which is the matter of one client: the next is taken at once`,
      async () => {
        const subject = await faulty(error, '1..3');
        expect((await serve(subject.port, 5)).cut).toBe(0);
        expect(printed(subject, /error/g)).toBe(0);
      },
    );
  }

  for (const error of ['ENOBUFS', 'ENOMEM']) {
    testTraced(
      `three times with ${error}: clients wait, are served, and one error is told`,
      async () => {
        const subject = await faulty(error, '1..3');
        expect((await serve(subject.port, 5)).cut).toBe(0);
        expect(printed(subject, new RegExp(`error ${error} `, 'g'))).toBe(1);
      },
    );
  }

  for (const error of ['EMFILE', 'ENFILE']) {
    testTraced(
      `with ${error}, then not with the spare fd: who waits is cut, the next is served`,
      async () => {
        const subject = await faulty(error, '1');
        const peer = await client(subject.port);
        expect(await isServed(peer)).toBe(false);
        expect((await serve(subject.port, 5)).cut).toBe(0);
        expect(printed(subject, new RegExp(`error ${error} `, 'g'))).toBe(1);
      },
    );

    testTraced(
      `with ${error}, and with the spare fd too: who waits is served in the end`,
      async () => {
        const subject = await faulty(error, '1..6');
        expect((await serve(subject.port, 5)).cut).toBe(0);
        expect(printed(subject, /error/g)).toBe(1);
      },
    );
  }

  testTraced(
    'with EPERM for ever, which takes nobody out of the queue: the listener rests as well',
    async () => {
      const subject = await faulty('EPERM', '1+', ['endless']);
      const peer = await client(subject.port);
      await subject.child.printed(/error EPERM/);
      expect(peer.destroyed).toBe(false);
      await expectNoTurns(subject);
      expect(printed(subject, /error/g)).toBe(0);
    },
  );
});

test('a connection that cannot be watched is an error of the server, and the next is served', async () => {
  const loop = new EventLoop();
  const server = new TcpServer({ port: 0, loop });
  server.on('connection', (connection) => connection.write('hello'));
  const failed = next<[SystemError]>(server, 'error');
  const add = jest.spyOn(loop, 'add').mockImplementationOnce(() => {
    throw new SystemError('epoll_ctl', errno.ENOSPC);
  });
  const uncaught = jest.spyOn(loop, 'uncaught');
  const peer = await client(server.port);
  const gone = next(peer.resume(), 'close');
  const [error] = await failed;
  expect([error.code, error.syscall]).toEqual(['ENOSPC', 'epoll_ctl']);
  await gone;
  expect((await receive(await client(server.port), 5)).toString()).toBe('hello');
  expect([add.mock.calls.length, uncaught.mock.calls.length]).toEqual([2, 0]);
  server.destroy();
  loop.close();
});

test('clients that are taken and lost again: each time a short rest, and one error in all', async () => {
  const loop = new EventLoop();
  const server = new TcpServer({ port: 0, loop });
  const schedule = jest.spyOn(loop.timers, 'schedule');
  const rests = (): number[] => schedule.mock.calls.map(([, delayMs]) => delayMs);
  const add = jest.spyOn(loop, 'add').mockImplementation(() => {
    throw new SystemError('epoll_ctl', errno.ENOMEM);
  });
  const errors = jest.fn();
  server.on('error', errors);
  // Each is taken and lost, so each is the first of a new shortage.
  for (const count of [1, 2]) {
    await client(server.port);
    await until(() => schedule.mock.calls.length === count);
  }
  expect(rests()).toEqual([FIRST_REST_MS, FIRST_REST_MS]);
  expect(errors).toHaveBeenCalledTimes(1);
  add.mockRestore();
  server.destroy();
  loop.close();
});
