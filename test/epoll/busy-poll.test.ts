import { type BusyPoll, readBusyPoll } from '../../src/epoll/busy-poll';
import { Epoll } from '../../src/epoll/epoll';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { counter } from '../support/fds';
import { testWith } from '../support/requires';

expectNoFdLeaks();

function hasBusyPoll(): string | null {
  using epoll = new Epoll();
  try {
    return epoll.busyPoll === undefined ? null : 'here';
  } catch {
    return null;
  }
}

const testHere = testWith(hasBusyPoll(), 'Linux 6.9 with CONFIG_NET_RX_BUSY_POLL');

testHere('is off at first, and reads as it was set', () => {
  using epoll = new Epoll();
  expect(epoll.busyPoll).toEqual({ microseconds: 0, budget: 0, prefer: false });
  const all: BusyPoll[] = [
    { microseconds: 50, budget: 16, prefer: true },
    { microseconds: 2 ** 31 - 1, budget: 64, prefer: false },
    { microseconds: 0, budget: 0, prefer: false },
  ];
  for (const parameters of all) {
    epoll.busyPoll = parameters;
    expect(epoll.busyPoll).toEqual(parameters);
  }
});

testHere('belongs to the set, not to the fd or the process', () => {
  using first = new Epoll();
  using second = new Epoll();
  first.busyPoll = { microseconds: 9, budget: 8, prefer: false };
  expect(second.busyPoll.microseconds).toBe(0);
  expect(readBusyPoll(first.fd)).toEqual({ microseconds: 9, budget: 8, prefer: false });
});

test('an fd without it is ENOTTY, and the message says what is needed', () => {
  expect(() => readBusyPoll(counter())).toThrow(
    expect.objectContaining({
      code: 'ENOTTY',
      syscall: 'ioctl',
      message: expect.stringContaining('Linux 6.9'),
    }),
  );
});

test.each<[string, unknown]>([
  ['busyPoll.microseconds', { microseconds: 2 ** 31, budget: 0, prefer: false }],
  ['busyPoll.microseconds', { microseconds: -1, budget: 0, prefer: false }],
  ['busyPoll.microseconds', { budget: 0, prefer: false }],
  ['busyPoll.budget', { microseconds: 0, budget: 65_536, prefer: false }],
  ['busyPoll.budget', { microseconds: 0, budget: 0.5, prefer: false }],
  ['busyPoll.prefer', { microseconds: 0, budget: 0, prefer: 1 }],
  ['busyPoll', null],
  ['busyPoll', 5],
])('a wrong %s is refused: %p', (name, parameters) => {
  using epoll = new Epoll();
  expect(() => {
    epoll.busyPoll = parameters as BusyPoll;
  }).toThrow(`"${name}"`);
});

test('a closed set has none: EBADF', () => {
  const epoll = new Epoll();
  epoll.close();
  expect(() => epoll.busyPoll).toThrow(expect.objectContaining({ code: 'EBADF' }));
});
