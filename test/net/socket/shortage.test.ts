/** The rests of a socket that cannot accept or receive, and its errors, under a clock of the test. */
import {
  FIRST_REST_MS,
  MAX_REST_MS,
  REPORT_INTERVAL_MS,
  ShortageBackoff,
} from '../../../src/net/socket/shortage';
import { errno } from '../../../src/sys/errno';

let exhaustion: ShortageBackoff;
beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  exhaustion = new ShortageBackoff();
});
afterEach(() => jest.useRealTimers());

test('rests double up to a limit, and begin anew with a connection', () => {
  const rests = Array.from({ length: 9 }, () => exhaustion.nextRestMs());
  expect(rests).toEqual([10, 20, 40, 80, 160, 320, 640, MAX_REST_MS, MAX_REST_MS]);
  exhaustion.end();
  expect(exhaustion.nextRestMs()).toBe(FIRST_REST_MS);
});

test('one error in ten seconds tells of all who were turned away', () => {
  const report = (): string | undefined => exhaustion.report('accept4', -errno.EMFILE, 3)?.message;
  expect(report()).toBe('accept4 EMFILE: too many open files');
  for (let count = 0; count < 3; count += 1) exhaustion.turnAway();
  expect(report()).toBeUndefined();
  jest.advanceTimersByTime(REPORT_INTERVAL_MS - 1);
  expect(report()).toBeUndefined();
  jest.advanceTimersByTime(1);
  expect(report()).toBe('accept4 EMFILE: too many open files; clients turned away: 3');
  jest.advanceTimersByTime(REPORT_INTERVAL_MS);
  expect(report()).toBe('accept4 EMFILE: too many open files');
});
