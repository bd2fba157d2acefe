import { readFileSync } from 'node:fs';
import * as sys from '../../src/sys';
import { Child } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next } from '../support/until';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;

function limitOf(resource: number, pid = 0): sys.ResourceLimit {
  const limit: sys.ResourceLimit = { soft: 0, hard: 0 };
  expect(sys.prlimit(pid, resource, null, limit)).toBe(0);
  return limit;
}

/** What /proc says of a limit: the soft and the hard one. */
function toldBy(pid: number | 'self', name: string): string[] {
  const line = readFileSync(`/proc/${pid}/limits`, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(name)) as string;
  return line.slice(name.length).trim().split(/\s+/).slice(0, 2);
}

const inProcWords = ({ soft, hard }: sys.ResourceLimit): string[] =>
  [soft, hard].map((value) => (value === Infinity ? 'unlimited' : String(value)));

test.each([
  ['Max open files', c.RLIMIT_NOFILE],
  ['Max core file size', c.RLIMIT_CORE],
  ['Max stack size', c.RLIMIT_STACK],
  ['Max cpu time', c.RLIMIT_CPU],
  ['Max locked memory', c.RLIMIT_MEMLOCK],
  ['Max realtime timeout', c.RLIMIT_RTTIME],
])('%s is what /proc says', (name, resource) => {
  expect(inProcWords(limitOf(resource))).toEqual(toldBy('self', name));
});

test('a limit is set and read, the one before it too', () => {
  const before = limitOf(c.RLIMIT_CORE);
  const previous: sys.ResourceLimit = { soft: 0, hard: 0 };
  const lower = { soft: 0, hard: before.hard };
  try {
    expect(sys.prlimit(0, c.RLIMIT_CORE, lower, previous)).toBe(0);
    expect(previous).toEqual(before);
    expect(limitOf(c.RLIMIT_CORE)).toEqual({ soft: 0n, hard: before.hard });
  } finally {
    expect(sys.prlimit(0, c.RLIMIT_CORE, before, null)).toBe(0);
  }
  expect(limitOf(c.RLIMIT_CORE)).toEqual(before);
});

test('limits of 64 bits, as numbers and bigints, of another process', async () => {
  const child = new Child('cat', []);
  await next(child.process, 'spawn');
  const pid = child.process.pid as number;
  const large = 2n ** 63n + 12_345n;
  expect(sys.prlimit(pid, c.RLIMIT_FSIZE, { soft: 2 ** 53 - 1, hard: large }, null)).toBe(0);
  expect(limitOf(c.RLIMIT_FSIZE, pid)).toEqual({ soft: 2n ** 53n - 1n, hard: large });
  expect(toldBy(pid, 'Max file size')).toEqual([String(2n ** 53n - 1n), String(large)]);
  const previous = { soft: 0n, hard: 0n };
  expect(sys.prlimit(pid, c.RLIMIT_FSIZE, { soft: 0, hard: 0n }, previous)).toBe(0);
  expect(previous).toEqual({ soft: 2n ** 53n - 1n, hard: large });
  expect(limitOf(c.RLIMIT_FSIZE, pid)).toEqual({ soft: 0n, hard: 0n });
  child.kill('SIGKILL');
  await child.exit();
});

test('its errors: EINVAL, ESRCH; the object for the former limit is left alone', () => {
  const limit = { soft: 1n, hard: 2n };
  expect(sys.prlimit(0, 99, null, limit)).toBe(-errno.EINVAL);
  expect(sys.prlimit(0, c.RLIMIT_CORE, { soft: Infinity, hard: 0 }, limit)).toBe(-errno.EINVAL);
  expect(sys.prlimit(2 ** 31 - 1, c.RLIMIT_CORE, null, limit)).toBe(-errno.ESRCH);
  expect(limit).toEqual({ soft: 1n, hard: 2n });
});

test.each([-1, 0.5, Number.NaN, -Infinity, 2 ** 53, -1n, 2n ** 64n, '1', null, undefined])(
  'a limit of %p is refused',
  (value) => {
    const wrong = value as number;
    for (const [name, limit] of [
      ['next.soft', { soft: wrong, hard: Infinity }],
      ['next.hard', { soft: 0, hard: wrong }],
    ] as const) {
      expect(() => sys.prlimit(0, c.RLIMIT_CORE, limit, null)).toThrow(`"${name}"`);
    }
  },
);
