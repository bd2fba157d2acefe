/**
 * System calls that fail, by strace(1): the server lives on, the error is told once and is the right
 * one, the others are served, and nothing leaks. For accept4(2) see also net/full-table.test.ts.
 *
 * A fault that is injected has no effects: the call is not made. So what is told of a full buffer or
 * an empty one (EAGAIN) without there being one is no fault of an edge-triggered socket, which would
 * wait for a change that cannot come.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next } from '../support/until';
import { countServed, isServed, Subject, testTraced } from './programs/under-strace';

expectNoFdLeaks();

const TIMEOUT_MS = 120_000;
const TRIGGERS = ['level', 'edge'] as const;

/** Have `subject` connect to `server`, itself if not given. Returns what came of it. */
function talk(subject: Subject, server = subject): Promise<string[]> {
  return subject.tell(`connect ${server.port}`, /(answer|failed|lost) (.*)\n/);
}

/** Three megabytes there and back. */
async function echoesMuch(port: number): Promise<void> {
  const peer = await client(port);
  const sent = randomBytes(3_000_000);
  const answer = receive(peer, sent.length);
  peer.write(sent);
  expect((await answer).equals(sent)).toBe(true);
  peer.destroy();
}

describe.each(TRIGGERS)('%s-triggered', (trigger) => {
  for (const [call, name, errors] of [
    ['sendto', 'send', ['ENOBUFS', 'ENOMEM']],
    ['recvfrom', 'recv', ['ENOMEM', 'EHOSTUNREACH']],
  ] as const) {
    for (const error of errors) {
      testTraced(
        `${name} gives ${error} once: that connection gets one error and is cut, the others are served`,
        async () => {
          const subject = await new Subject(
            ['libuv', trigger],
            [`${call}:error=${error}:when=1`],
          ).listening();
          const victim = await client(subject.port);
          victim.write('hello');
          await next(victim.resume(), 'close');
          expect(await countServed(subject.port, 5)).toBe(5);
          await subject.isAtBase();
          expect(subject.count(/close (?!none)/g)).toBe(1);
          expect(subject.count(new RegExp(`close ${error} ${name}\n`, 'g'))).toBe(1);
          expect(subject.count(/error/g)).toBe(0);
        },
        TIMEOUT_MS,
      );
    }

    testTraced(
      `every second ${name} is interrupted: nothing is lost, and no error is emitted`,
      async () => {
        const subject = await new Subject(
          ['libuv', trigger],
          [`${call}:error=EINTR:when=1+2`],
        ).listening();
        expect(await countServed(subject.port, 5)).toBe(5);
        await echoesMuch(subject.port);
        await subject.isAtBase();
        expect(subject.count(/close (?!none)/g)).toBe(0);
      },
      TIMEOUT_MS,
    );
  }

  testTraced(
    'every second wait is interrupted, of the loop and of its waiter thread: all are served',
    async () => {
      const faults = ['epoll_wait', 'epoll_pwait'].map((call) => `${call}:error=EINTR:when=1+2`);
      for (const waiter of ['thread', 'libuv', 'inline']) {
        const subject = await new Subject([waiter, trigger], faults).listening();
        expect(await countServed(subject.port, 5)).toBe(5);
        await echoesMuch(subject.port);
        expect(subject.count(/uncaught|error|close (?!none)/g)).toBe(0);
      }
    },
    TIMEOUT_MS,
  );
});

for (const [call, name] of [
  ['sendto', 'send'],
  ['recvfrom', 'recv'],
]) {
  testTraced(
    `${name} says EAGAIN sixty times running, although the socket is ready: nothing is lost`,
    async () => {
      const subject = await new Subject(
        ['libuv', 'level'],
        [`${call}:error=EAGAIN:when=1..60`],
      ).listening();
      expect(await countServed(subject.port, 5)).toBe(5);
      await echoesMuch(subject.port);
      await subject.isAtBase();
      expect(subject.count(/close (?!none)/g)).toBe(0);
    },
    TIMEOUT_MS,
  );
}

describe.each(TRIGGERS)('sendfile, %s-triggered', (trigger) => {
  const FILE = readFileSync(join(__dirname, 'programs/subject.ts'));

  /** Ask for the file, and get all of it. */
  async function getsFile(port: number): Promise<void> {
    const peer = await client(port);
    peer.write('file');
    expect((await receive(peer, FILE.length)).equals(FILE)).toBe(true);
    peer.destroy();
  }

  for (const error of ['EIO', 'ENOMEM']) {
    testTraced(
      `gives ${error} once: write and connection get one error each, the others get the file`,
      async () => {
        const fault = `sendfile:error=${error}:when=1`;
        const subject = await new Subject(['libuv', trigger], [fault]).listening();
        const victim = await client(subject.port);
        victim.write('file');
        expect((await receiveAll(victim)).length).toBe(0);
        await getsFile(subject.port);
        expect(await countServed(subject.port, 5)).toBe(5);
        await subject.isAtBase();
        expect(subject.count(/close (?!none)/g)).toBe(1);
        expect(subject.count(new RegExp(`close ${error} sendfile\n`, 'g'))).toBe(1);
        expect(subject.count(new RegExp(`sent ${error}\n`, 'g'))).toBe(1);
        expect(subject.count(/sent whole\n/g)).toBe(1);
      },
      TIMEOUT_MS,
    );
  }

  testTraced(
    'every second one is interrupted: all of the file comes',
    async () => {
      const fault = 'sendfile:error=EINTR:when=1+2';
      const subject = await new Subject(['libuv', trigger], [fault]).listening();
      for (let count = 0; count < 5; count += 1) await getsFile(subject.port);
      await subject.isAtBase();
      expect(subject.count(/close (?!none)/g)).toBe(0);
    },
    TIMEOUT_MS,
  );
});

describe.each(['edge', 'oneshot'])('a listener that is %s-triggered', (acceptTrigger) => {
  // EMFILE twice: the second time for the spare fd, so that nobody is turned away.
  for (const [error, times] of Object.entries({ ECONNABORTED: 3, ENOMEM: 3, EMFILE: 2 })) {
    testTraced(
      `accept4 gives ${error} ${times} times: the listener is not lost`,
      async () => {
        const fault = `accept4:error=${error}:when=1..${times}`;
        const subject = await new Subject(['libuv', 'edge', acceptTrigger], [fault]).listening();
        expect(await countServed(subject.port, 5)).toBe(5);
        await subject.isAtBase();
        expect(subject.count(/error/g)).toBe(error === 'ECONNABORTED' ? 0 : 1);
      },
      TIMEOUT_MS,
    );
  }
});

describe('epoll_ctl', () => {
  for (const error of ['ENOMEM', 'ENOSPC']) {
    testTraced(
      `gives ${error} for an accepted connection: it is cut, one error is emitted, the next is served`,
      async () => {
        const subject = await new Subject(['inline']).listening();
        await subject.attack([`epoll_ctl:error=${error}:when=1`]);
        const victim = await client(subject.port);
        expect(await isServed(victim)).toBe(false);
        expect(await countServed(subject.port, 5)).toBe(5);
        await subject.isAtBase();
        expect(subject.count(/error/g)).toBe(1);
        expect(subject.count(new RegExp(`error ${error} epoll_ctl `, 'g'))).toBe(1);
      },
      TIMEOUT_MS,
    );

    testTraced(
      `gives ${error} for a connection to be: connect fails with it, and the next one works`,
      async () => {
        const [subject, server] = await Promise.all([
          new Subject(['inline']).listening(),
          new Subject(['libuv']).listening(),
        ]);
        await subject.attack([`epoll_ctl:error=${error}:when=1`]);
        expect(await talk(subject, server)).toEqual(['failed', `${error} epoll_ctl`]);
        expect(await talk(subject, server)).toEqual(['answer', 'hello']);
        await subject.isAtBase();
      },
      TIMEOUT_MS,
    );
  }
});

describe('connect', () => {
  for (const error of ['ENOBUFS', 'EADDRNOTAVAIL']) {
    testTraced(
      `gives ${error} at once: the promise is rejected with it, and the next one works`,
      async () => {
        const subject = await new Subject([], [`connect:error=${error}:when=1`]).listening();
        expect(await talk(subject)).toEqual(['failed', `${error} connect`]);
        expect(await talk(subject)).toEqual(['answer', 'hello']);
        await subject.isAtBase();
      },
      TIMEOUT_MS,
    );
  }

  testTraced(
    'is interrupted: it is asked again',
    async () => {
      const subject = await new Subject([], ['connect:error=EINTR:when=1']).listening();
      expect(await talk(subject)).toEqual(['answer', 'hello']);
      await subject.isAtBase();
    },
    TIMEOUT_MS,
  );
});

testTraced(
  'a precise wait that is interrupted returns early with nothing, and the next one finds the event',
  async () => {
    const subject = await new Subject([], ['epoll_pwait2:error=EINTR:when=1']).listening();
    expect(await subject.tell('wait', /waited (\d) (\d)/)).toEqual(['0', '1']);
  },
  TIMEOUT_MS,
);
