import { type FileRange, HeldRange } from '../../src/bytes/file-range';
import { LOST, WriteQueue } from '../../src/bytes/write-queue';

const scratch = Buffer.alloc(64 * 1024);

/** The bytes that the queue would send next, as one buffer, and of how many parts. */
function ahead(queue: WriteQueue, limit = Infinity): { bytes: Buffer; count: number } {
  const parts: Uint8Array[] = [];
  const total = queue.collect(parts, scratch, limit);
  const bytes = Buffer.concat(parts);
  expect(bytes.byteLength).toBe(total);
  return { bytes, count: parts.length };
}

/** `count` bytes are sent at `now`, and the callbacks called. */
function send(queue: WriteQueue, count: number, now: number): void {
  queue.sent(count, now);
  queue.settle();
}

/** Empty the queue in pieces of at most `size` bytes, as a slow socket would. */
function drain(queue: WriteQueue, size: number): Buffer {
  const sent: Buffer[] = [];
  for (let { bytes } = ahead(queue); bytes.byteLength > 0; { bytes } = ahead(queue)) {
    const count = Math.min(size, bytes.byteLength);
    sent.push(bytes.subarray(0, count));
    send(queue, count, 0);
  }
  return Buffer.concat(sent);
}

function rangeOf(fd: number, range: FileRange): HeldRange {
  return new HeldRange(fd, { dev: 1, ino: 1 }, range);
}

function random(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(Math.random() * 256)));
}

test.each([1, 7, 1_000, 20_000, 1_000_000])(
  'bytes come out as they went in, %d at a time, small and large chunks mixed',
  (size) => {
    const queue = new WriteQueue();
    const sizes =
      size === 1 ? [0, 1, 5, 300] : [0, 1, 300, 4_095, 4_096, 4_097, 100_000, 3, 0, 65_536, 2];
    const chunks = sizes.map(random);
    for (const chunk of chunks) queue.push(chunk, { since: 0 });
    expect(queue.bytes).toBe(sizes.reduce((sum, length) => sum + length, 0));
    expect(drain(queue, size).equals(Buffer.concat(chunks))).toBe(true);
    send(queue, 0, 0);
    expect([queue.bytes, queue.empty]).toEqual([0, true]);
  },
);

test('callbacks are called once, in order, when all bytes of their write are sent', () => {
  const queue = new WriteQueue();
  const called: string[] = [];
  queue.push(Buffer.from('abc'), { since: 0, callback: () => called.push('abc') });
  queue.push(Buffer.alloc(0), { since: 0, callback: () => called.push('empty') });
  queue.push(Buffer.from('de'), { since: 0, callback: () => called.push('de') });
  send(queue, 2, 0);
  expect(called).toEqual([]);
  send(queue, 1, 0);
  expect(called).toEqual(['abc', 'empty']);
  send(queue, 2, 0);
  expect(called).toEqual(['abc', 'empty', 'de']);
});

test('failing calls every waiting callback with the error', () => {
  const queue = new WriteQueue();
  const called: unknown[] = [];
  queue.push(Buffer.from('sent'), { since: 0, callback: (error) => called.push(error) });
  queue.push(Buffer.from('half'), { since: 0, callback: (error) => called.push(error) });
  queue.push(Buffer.from('none'), { since: 0, callback: (error) => called.push(error) });
  send(queue, 6, 0);
  const error = new Error('gone');
  queue.fail(error);
  queue.fail(error);
  expect(called).toEqual([undefined, error, error]);
  expect([queue.bytes, queue.empty]).toEqual([0, true]);
});

test('a callback may write more', () => {
  const queue = new WriteQueue();
  queue.push(Buffer.from('a'), {
    since: 0,
    callback: () => queue.push(Buffer.from('b'), { since: 0 }),
  });
  send(queue, 1, 0);
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
  queue.push(Buffer.from('a'), {
    since: 0,
    callback: () => {
      throw new Error('in a callback');
    },
  });
  queue.push(Buffer.from('b'), { since: 0, callback: () => called.push('b') });
  send(queue, 2, 0);
  nextTick.mockRestore();
  expect(called).toEqual(['b']);
  expect(raised).toEqual([expect.objectContaining({ message: 'in a callback' })]);
});

test('the age of the queue is that of its oldest write', () => {
  const queue = new WriteQueue();
  expect(queue.waitingSince).toBe(Infinity);
  queue.push(Buffer.from('a'), { since: 10 });
  queue.push(Buffer.from('b'), { since: 20 });
  expect(queue.waitingSince).toBe(10);
  send(queue, 1, 0);
  expect(queue.waitingSince).toBe(20);
});

test('a queue that never empties does not grow with what was sent', () => {
  const queue = new WriteQueue();
  queue.push(Buffer.from('x'), { since: 0 });
  for (let index = 0; index < 10_000; index += 1) {
    queue.push(Buffer.from('x'), { since: 0 });
    send(queue, 1, 0);
  }
  expect(queue.bytes).toBe(1);
  expect(drain(queue, 100).toString()).toBe('x');
});

test('a range of a file stands in order, and its rest is what was not sent', () => {
  const queue = new WriteQueue();
  const called: string[] = [];
  const waiting = (name: string): { since: number; callback: () => void } => ({
    since: 0,
    callback: () => called.push(name),
  });
  queue.push(Buffer.from('head'), waiting('head'));
  queue.pushRange(rangeOf(7, { offset: 1_000, length: 50 }), waiting('file'));
  queue.pushRange(rangeOf(7, { offset: 0, length: 0 }), waiting('empty'));
  queue.push(Buffer.from('tail'), waiting('tail'));
  expect([queue.bytes, queue.fileBytes, queue.range]).toEqual([8, 50, null]);
  // What is put together ends before the file.
  expect(ahead(queue).bytes.toString()).toBe('head');
  send(queue, 4, 1);
  expect([queue.range?.offset, queue.sentOfFirst]).toEqual([1_000, 0]);
  expect(ahead(queue).count).toBe(0);
  send(queue, 20, 2);
  expect([queue.range?.offset, queue.sentOfFirst]).toEqual([1_000, 20]);
  expect([queue.bytes, queue.fileBytes]).toEqual([4, 30]);
  send(queue, 30, 3);
  expect(called).toEqual(['head', 'file', 'empty']);
  expect([queue.range, queue.fileBytes]).toEqual([null, 0]);
  expect(ahead(queue).bytes.toString()).toBe('tail');
});

test('a queue stands still since some of it was last taken, bytes or a range', () => {
  const queue = new WriteQueue();
  queue.pushRange(rangeOf(7, { offset: 0, length: 50 }), { since: 10 });
  queue.push(Buffer.from('tail'), { since: 11 });
  expect(queue.waitingSince).toBe(10);
  send(queue, 1, 5_000);
  expect(queue.waitingSince).toBe(5_000);
  send(queue, 49, 9_000);
  expect(queue.waitingSince).toBe(9_000);
  send(queue, 1, 9_500);
  expect(queue.waitingSince).toBe(9_500);
});

test('a callback that fails the queue: the sent are not failed, nobody is called twice', () => {
  const queue = new WriteQueue();
  const called: string[] = [];
  const note =
    (name: string) =>
    (error?: Error): void => {
      called.push(`${name} ${error?.message}`);
      if (name === 'b') queue.fail(new Error('gone'));
    };
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    queue.push(Buffer.from('12'), { since: 0, callback: note(name) });
  }
  send(queue, 7, 0);
  expect(called).toEqual(['a undefined', 'b undefined', 'c undefined', 'd gone', 'e gone']);
  expect([queue.empty, queue.bytes, queue.isSettling]).toEqual([true, 0, false]);
});

test('small chunks are put together, large ones stay where they are', () => {
  const queue = new WriteQueue();
  const large = Buffer.alloc(4_096, 'L');
  for (const chunk of [Buffer.from('a'), Buffer.from('b'), large, large, Buffer.from('c')]) {
    queue.push(chunk, { since: 0 });
  }
  const parts: Uint8Array[] = [];
  queue.collect(parts, scratch, Infinity);
  expect(parts.map(({ byteLength }) => byteLength)).toEqual([2, 4_096, 4_096, 1]);
  expect(parts[1]).toBe(large);
  // A chunk of which some was sent is as long as its rest.
  send(queue, 3, 0);
  expect(ahead(queue)).toEqual({
    bytes: Buffer.concat([large.subarray(1), large, Buffer.from('c')]),
    count: 3,
  });
});

test('one call takes about as much as the limit, at most 1,024 parts, and one scratch', () => {
  const queue = new WriteQueue();
  const large = Buffer.alloc(4_096);
  for (let index = 0; index < 3_000; index += 1) queue.push(large, { since: 0 });
  expect(ahead(queue, 10_000).bytes.byteLength).toBe(3 * 4_096);
  expect(ahead(queue).count).toBeLessThanOrEqual(1_024);
  expect(ahead(queue).count).toBeGreaterThan(1_000);
  const small = new WriteQueue();
  for (let index = 0; index < 3_000; index += 1) small.push(large.subarray(1), { since: 0 });
  const { bytes, count } = ahead(small);
  expect([count, bytes.byteLength]).toEqual([1, 16 * 4_095]);
  // Large and small in turn: two parts for each pair.
  const both = new WriteQueue();
  for (let index = 0; index < 3_000; index += 1)
    both.push(index % 2 ? large : Buffer.from('s'), { since: 0 });
  expect(ahead(both).count).toBeLessThanOrEqual(1_024);
  expect(drain(both, 1_000_000).byteLength).toBe(1_500 * 4_097);
});

test('however the parts fall, one call takes at most 1,024', () => {
  const large = Buffer.alloc(4_096);
  for (const first of [0, 1]) {
    const queue = new WriteQueue();
    for (let index = 0; index < first; index += 1) queue.push(large, { since: 0 });
    for (let index = 0; index < 600; index += 1) {
      queue.push(Buffer.from('s'), { since: 0 });
      queue.push(large, { since: 0 });
    }
    expect(ahead(queue).count).toBeLessThanOrEqual(1_024);
  }
});

test('small chunks that fill the scratch exactly go in one call', () => {
  const queue = new WriteQueue();
  for (let index = 0; index < 65; index += 1) queue.push(random(1_024), { since: 0 });
  expect(ahead(queue).bytes.byteLength).toBe(64 * 1_024);
});

test('bytes that are lost are told of when they stand first, not before', () => {
  const queue = new WriteQueue();
  const lost = new Uint8Array(new ArrayBuffer(10));
  queue.push(Buffer.from('here'), { since: 0 });
  queue.push(lost, { since: 0 });
  structuredClone(lost, { transfer: [lost.buffer] });
  expect(ahead(queue).bytes.toString()).toBe('here');
  send(queue, 4, 0);
  const parts: Uint8Array[] = [];
  expect([queue.collect(parts, scratch, Infinity), parts]).toEqual([LOST, []]);
});

test('what is sent between or inside settlements is called back once, in order', () => {
  const queue = new WriteQueue();
  const called: string[] = [];
  const push = (name: string, then = (): void => {}): void => {
    const callback = (): void => {
      called.push(name);
      then();
    };
    queue.push(Buffer.from(name), { since: 0, callback });
  };
  push('a', () => {
    push('c');
    queue.sent(1, 0);
    queue.settle();
    expect(called).toEqual(['a']);
  });
  queue.sent(1, 0);
  push('b');
  queue.sent(1, 0);
  expect([called, queue.empty]).toEqual([[], true]);
  queue.settle();
  queue.settle();
  queue.fail(new Error('nothing is left for it'));
  expect(called).toEqual(['a', 'b', 'c']);
});

test('the first write alone, for fds that keep bounds; lost when its memory is gone', () => {
  const queue = new WriteQueue();
  expect(queue.firstBytes).toBeNull();
  const bytes = new Uint8Array([1, 2, 3]);
  queue.push(bytes, { since: 0 });
  queue.push(Buffer.from('next'), { since: 0 });
  expect(queue.firstBytes).toBe(bytes);
  queue.sent(1, 0);
  expect(queue.firstBytes).toEqual(new Uint8Array([2, 3]));
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  expect(queue.firstBytes).toBe(LOST);
});
