import {
  bodyLength,
  MAX_RANGES,
  multipart,
  selectRanges,
} from '../../../src/http/files/byte-ranges';

const of = (offset: number, length: number): { offset: number; length: number } => ({
  offset,
  length,
});

test('one range, from the front, from the end, and to the end', () => {
  expect(selectRanges('bytes=0-0', 100)).toEqual([of(0, 1)]);
  expect(selectRanges('bytes=10-19', 100)).toEqual([of(10, 10)]);
  expect(selectRanges('bytes=90-', 100)).toEqual([of(90, 10)]);
  expect(selectRanges('bytes=-10', 100)).toEqual([of(90, 10)]);
  expect(selectRanges('bytes=99-200', 100)).toEqual([of(99, 1)]);
});

test('a suffix longer than the file is all of it', () => {
  expect(selectRanges('bytes=-100', 100)).toEqual([of(0, 100)]);
  expect(selectRanges('bytes=-101', 100)).toEqual([of(0, 100)]);
  expect(selectRanges('bytes=5-6,  -9999', 100)).toEqual([of(0, 100)]);
  expect(selectRanges(`bytes=-${'9'.repeat(400)}`, 100)).toEqual([of(0, 100)]);
});

test('what begins behind the end is unsatisfiable', () => {
  for (const field of ['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=100-,200-300']) {
    expect([field, selectRanges(field, 100)]).toEqual([field, 'unsatisfiable']);
  }
});

test('a field that is not understood is ignored', () => {
  const fields = ['', 'bytes', 'bytes=', 'bytes=a-b', 'bytes=1', 'lines=1-2', 'bytes=1-2,x-y'];
  for (const field of fields) expect([field, selectRanges(field, 100)]).toEqual([field, 'whole']);
});

test('an empty file has no ranges', () => {
  expect(selectRanges('bytes=0-', 0)).toBe('whole');
  expect(selectRanges('bytes=-1', 0)).toBe('whole');
});

test('several ranges keep their order; those that touch or overlap become one', () => {
  expect(selectRanges('bytes=50-59,0-9', 100)).toEqual([of(50, 10), of(0, 10)]);
  expect(selectRanges('bytes=0-9,10-19', 100)).toEqual([of(0, 20)]);
  expect(selectRanges('bytes=0-30, 20-40 ,200-300', 100)).toEqual([of(0, 41)]);
  expect(selectRanges('bytes=0-49,51-', 100)).toEqual([of(0, 50), of(51, 49)]);
});

test('ranges are counted, and one more than the limit gets the whole file', () => {
  const many = (count: number): string =>
    `bytes=${Array.from({ length: count }, (_, index) => `${index * 2}-${index * 2}`)}`;
  expect(selectRanges(many(MAX_RANGES), 1_000)).toHaveLength(MAX_RANGES);
  expect(selectRanges(many(MAX_RANGES + 1), 1_000)).toBe('whole');
});

test('offsets beyond 4 GiB are exact', () => {
  const size = 2 ** 40;
  expect(selectRanges(`bytes=${size - 3}-`, size)).toEqual([of(size - 3, 3)]);
});

test('a multipart body has a head for each range, and its length is known', () => {
  const parts = multipart([of(0, 3), of(7, 2)], { boundary: 'B', type: 'text/plain', size: 9 });
  expect(parts).toEqual([
    '--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/9\r\n\r\n',
    of(0, 3),
    '\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-8/9\r\n\r\n',
    of(7, 2),
    '\r\n--B--\r\n',
  ]);
  const text = parts.map((part) => (typeof part === 'string' ? part : 'x'.repeat(part.length)));
  expect(bodyLength(parts)).toBe(text.join('').length);
});

test('a long field of blanks is no work: hours, if each were looked at from each', () => {
  const blanks = ' '.repeat(5_000_000);
  expect(selectRanges(`bytes=${blanks}-`, 10)).toBe('whole');
  expect(selectRanges(`bytes=0-1,${blanks}-${blanks}`, 10)).toBe('whole');
  expect(selectRanges(`bytes=${blanks}-20`, 10)).toEqual([{ offset: 0, length: 10 }]);
});
