/**
 * A thread finds out whether libuv can be rung, and its loops wait by a timer where it cannot: where it
 * numbers its events otherwise than it does today, does not come round, or is not lent at all.
 */
import { Epoll } from '../../src/epoll/epoll';
import { Waker } from '../../src/epoll/waker';
import type { BackendWaiter } from '../../src/loop/backend-waiter';
import { EPOLLIN } from '../../src/sys/constants';
import { errno } from '../../src/sys/errno';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';

expectNoFdLeaks();

const UV_BACKEND = '../../src/sys/uv-backend';
type UvBackend = typeof import('../../src/sys/uv-backend');

const warnings: string[] = [];
let onWarning = (): void => {};
jest.spyOn(process, 'emitWarning').mockImplementation((warning) => {
  warnings.push(`${warning}`);
  onWarning();
});

/** What is warned of contains `text`, now or later. */
async function warned(text: string): Promise<void> {
  while (!warnings.some((warning) => warning.includes(text))) {
    await new Promise<void>((resolve) => {
      onWarning = resolve;
    });
  }
}

const wordOf = jest.fn();

beforeEach(() => {
  warnings.length = 0;
  wordOf.mockClear();
});

/** A set and its waiter, in a thread that knows nothing of its libuv, which has `changes`. */
class Subject {
  readonly set = new Epoll();
  readonly waker = new Waker();
  readonly waiter: BackendWaiter;
  wakes = 0;

  constructor(changes: Partial<UvBackend> = {}) {
    this.set.add(this.waker.fd, EPOLLIN);
    let Fresh: typeof BackendWaiter | undefined;
    jest.isolateModules(() => {
      const actual = jest.requireActual<UvBackend>(UV_BACKEND);
      wordOf.mockImplementation(actual.wordOf);
      jest.doMock(UV_BACKEND, () => ({ ...actual, wordOf, ...changes }));
      Fresh = require('../../src/loop/backend-waiter').BackendWaiter;
      jest.dontMock(UV_BACKEND);
    });
    this.waiter = new (Fresh as typeof BackendWaiter)(this.set.fd, () => {
      this.wakes += 1;
    });
  }

  /** Each wait is ended by the fd, before and after the thread has found out. */
  async wakesThrice(): Promise<void> {
    const before = this.wakes;
    for (let times = 1; times <= 3; times += 1) {
      this.waiter.arm();
      this.waker.wake();
      await until(() => this.wakes === before + times, 5_000);
      this.waker.drain();
    }
  }

  close(): void {
    this.waiter.close();
    this.set.close();
    this.waker.close();
  }
}

test('Node’s libuv is looked up once, and rung from then on', async () => {
  const subject = new Subject();
  await subject.wakesThrice();
  await until(() => wordOf.mock.results.some(({ value }) => typeof value === 'number'));
  const looks = wordOf.mock.calls.length;
  await subject.wakesThrice();
  subject.close();
  expect([wordOf.mock.calls.length, warnings]).toEqual([looks, []]);
});

test('a number that is not the doorbell’s is never used: a timer looks', async () => {
  const subject = new Subject({ wordOf: (_, fd) => fd + 1 });
  await subject.wakesThrice();
  await warned('numbers its events in a new way');
  subject.close();
  expect(warnings).toHaveLength(1);
});

test('a loop that does not come round when it is rung is polled', async () => {
  // A set that libuv does not wait on, and a clock by which all that brings the loop round is late.
  const deaf = new Epoll();
  const clock = jest.spyOn(performance, 'now');
  let now = 0;
  clock.mockImplementation(() => {
    now += 1_000;
    return now;
  });
  const subject = new Subject({ uvBackendFd: () => deaf.fd, wordOf: (_, fd) => fd });
  subject.waiter.arm();
  await warned('does not turn');
  clock.mockRestore();
  await subject.wakesThrice();
  subject.close();
  deaf.close();
});

test.each([
  ['that is not lent', -errno.ENOSYS, 'does not lend its loop'],
  ['without an epoll set', null, 'has no epoll set'],
])('a loop %s is polled', async (_name, backendFd, text) => {
  const other = new Waker();
  const subject = new Subject({ uvBackendFd: () => backendFd ?? other.fd });
  await subject.wakesThrice();
  await warned(text);
  subject.close();
  other.close();
});

test('without a free fd it is found out later', async () => {
  let refusals = 2;
  const actual = jest.requireActual<UvBackend>(UV_BACKEND);
  const answers: (number | null)[] = [];
  const subject = new Subject({
    wordOf: (backendFd, fd) => {
      if (refusals-- > 0) throw new Error('EMFILE');
      const answer = actual.wordOf(backendFd, fd);
      answers.push(answer);
      return answer;
    },
  });
  subject.waiter.arm();
  await until(() => answers.some((answer) => answer !== null));
  await subject.wakesThrice();
  subject.close();
  expect(warnings).toEqual([]);
});
