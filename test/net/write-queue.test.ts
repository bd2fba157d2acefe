import { WriteQueue } from '../../src/net/write-queue';

const scratch = Buffer.alloc(64 * 1024);

/** Empty the queue in pieces of at most `size` bytes, as a slow socket would. */
function drain(queue: WriteQueue, size: number): Buffer {
  const sent: Buffer[] = [];
  for (let bytes = queue.next(scratch); bytes.byteLength > 0; bytes = queue.next(scratch)) {
    const count = Math.min(size, bytes.byteLength);
    sent.push(Buffer.from(bytes.subarray(0, count)));
    queue.sent(count);
  }
  return Buffer.concat(sent);
}

function random(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(Math.random() * 256)));
}

test.each([1, 7, 1_000, 20_000, 1_000_000])(
  'bytes come out as they went in, %d at a time, small and large chunks mixed',
  (size) => {
    const queue = new WriteQueue();
    const sizes =
      size === 1 ? [0, 1, 5, 300] : [0, 1, 300, 16_383, 16_384, 100_000, 3, 0, 65_536, 2];
    const chunks = sizes.map(random);
    for (const chunk of chunks) queue.push(chunk, 0);
    expect(queue.bytes).toBe(sizes.reduce((sum, length) => sum + length, 0));
    expect(drain(queue, size).equals(Buffer.concat(chunks))).toBe(true);
    queue.sent(0);
    expect([queue.bytes, queue.empty]).toEqual([0, true]);
  },
);

test('callbacks are called once, in order, when all bytes of their write are sent', () => {
  const queue = new WriteQueue();
  const called: string[] = [];
  queue.push(Buffer.from('abc'), 0, () => called.push('abc'));
  queue.push(Buffer.alloc(0), 0, () => called.push('empty'));
  queue.push(Buffer.from('de'), 0, () => called.push('de'));
  queue.sent(2);
  expect(called).toEqual([]);
  queue.sent(1);
  expect(called).toEqual(['abc', 'empty']);
  queue.sent(2);
  expect(called).toEqual(['abc', 'empty', 'de']);
});

test('failing calls every waiting callback with the error', () => {
  const queue = new WriteQueue();
  const called: unknown[] = [];
  queue.push(Buffer.from('sent'), 0, (error) => called.push(error));
  queue.push(Buffer.from('half'), 0, (error) => called.push(error));
  queue.push(Buffer.from('none'), 0, (error) => called.push(error));
  queue.sent(6);
  const error = new Error('gone');
  queue.fail(error);
  queue.fail(error);
  expect(called).toEqual([undefined, error, error]);
  expect([queue.bytes, queue.empty]).toEqual([0, true]);
});

test('a callback may write more', () => {
  const queue = new WriteQueue();
  queue.push(Buffer.from('a'), 0, () => queue.push(Buffer.from('b'), 0));
  queue.sent(1);
  expect(queue.bytes).toBe(1);
  expect(drain(queue, 10).toString()).toBe('b');
});

test('a callback that throws upsets nothing, and its error is raised', () => {
  const raised: unknown[] = [];
  const nextTick = jest.spyOn(process, 'nextTick').mockImplementation((raise) => {
    try {
      raise();
    } catch (error) {
      raised.push(error);
    }
  });
  const queue = new WriteQueue();
  const called: string[] = [];
  queue.push(Buffer.from('a'), 0, () => {
    throw new Error('in a callback');
  });
  queue.push(Buffer.from('b'), 0, () => called.push('b'));
  queue.sent(2);
  nextTick.mockRestore();
  expect(called).toEqual(['b']);
  expect(raised).toEqual([expect.objectContaining({ message: 'in a callback' })]);
});

test('the age of the queue is that of its oldest write', () => {
  const queue = new WriteQueue();
  expect(queue.waitingSince).toBe(Infinity);
  queue.push(Buffer.from('a'), 10);
  queue.push(Buffer.from('b'), 20);
  expect(queue.waitingSince).toBe(10);
  queue.sent(1);
  expect(queue.waitingSince).toBe(20);
});

test('a queue that never empties does not grow with what was sent', () => {
  const queue = new WriteQueue();
  queue.push(Buffer.from('x'), 0);
  for (let index = 0; index < 10_000; index += 1) {
    queue.push(Buffer.from('x'), 0);
    queue.sent(1);
  }
  expect(queue.bytes).toBe(1);
  expect(drain(queue, 100).toString()).toBe('x');
});
