import * as check from '../../src/base/check';

function thrown(action: () => void): { name: string; code: string; message: string } {
  try {
    action();
  } catch (error) {
    const { name, code, message } = error as Error & { code: string };
    return { name, code, message };
  }
  throw new Error('nothing was thrown');
}

test('a wrong kind is a TypeError with the name of the argument and what was received', () => {
  expect(thrown(() => check.checkFd('3'))).toEqual({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message: `The "fd" argument must be a number. Received '3'`,
  });
});

test('a wrong value is a RangeError with the range and the value', () => {
  expect(thrown(() => check.checkFd(Number.NaN, 'epfd'))).toEqual({
    name: 'RangeError',
    code: 'ERR_OUT_OF_RANGE',
    message:
      'The value of "epfd" is out of range. It must be an integer >= 0 and <= 2147483647. Received NaN',
  });
});

test('what was received is cut to a readable length, and its own inspection is not run', () => {
  const hostile = {
    [Symbol.for('nodejs.util.inspect.custom')]: () => {
      throw new Error('must not run');
    },
  };
  expect(thrown(() => check.checkInt('flags', hostile)).code).toBe('ERR_INVALID_ARG_TYPE');
  expect(thrown(() => check.checkInt('flags', 'x'.repeat(10_000))).message.length).toBeLessThan(
    300,
  );
});

test('the ends of each range are in it, and what lies beyond is not', () => {
  for (const fd of [0, 2 ** 31 - 1]) expect(() => check.checkFd(fd)).not.toThrow();
  for (const fd of [-1, 2 ** 31, 2 ** 32]) expect(() => check.checkFd(fd)).toThrow(RangeError);
  for (const int of [-(2 ** 31), 2 ** 31 - 1]) {
    expect(() => check.checkInt('x', int)).not.toThrow();
  }
  for (const int of [-(2 ** 31) - 1, 2 ** 31]) {
    expect(() => check.checkInt('x', int)).toThrow(RangeError);
  }
  for (const uint of [0, 2 ** 32 - 1]) expect(() => check.checkUint('x', uint)).not.toThrow();
  for (const uint of [-1, 2 ** 32]) expect(() => check.checkUint('x', uint)).toThrow(RangeError);
});

test('a buffer must hold the bytes it is used for, by its true length', () => {
  const view = Buffer.alloc(8);
  expect(() => check.checkBytes(view, 8)).not.toThrow();
  expect(() => check.checkBytes(view, 0)).not.toThrow();
  expect(() => check.checkBytes(view, 9)).toThrow(RangeError);
  const liar = Object.defineProperty(new Uint8Array(8), 'byteLength', { value: 99 });
  expect(() => check.checkBytes(liar, 9)).toThrow(RangeError);
  expect(check.checkWhole(liar, 'view')).toBe(8);
  expect(() => check.checkRoom(new Uint32Array(2), 8, 'view')).not.toThrow();
  expect(() => check.checkRoom(new Uint32Array(2), 9, 'view')).toThrow(RangeError);
});
