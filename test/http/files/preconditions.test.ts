import type { IncomingHttpHeaders } from 'node:http';
import { evaluate, type Validators } from '../../../src/http/files/preconditions';

const DATE = 'Wed, 01 Jan 2025 00:00:00 GMT';
const EARLIER = 'Tue, 31 Dec 2024 23:59:59 GMT';
const LATER = 'Wed, 01 Jan 2025 00:00:01 GMT';
const NOW = Date.parse('2025-06-01T00:00:00Z');
const STRONG: Validators = { etag: '"a"', lastModified: DATE };
const WEAK: Validators = { etag: 'W/"a"', lastModified: DATE };
const NONE: Validators = { etag: undefined, lastModified: undefined };

const verdict = (headers: IncomingHttpHeaders, state = STRONG, now = NOW): unknown =>
  evaluate(headers, state, now);

test('without conditions a request is answered', () => {
  expect(verdict({})).toBe('proceed');
  expect(verdict({}, NONE)).toBe('proceed');
});

test('If-None-Match compares weakly, and goes before If-Modified-Since', () => {
  for (const list of ['"a"', 'W/"a"', '*', '"b", "a"', '"b",W/"a"']) {
    expect([list, verdict({ 'if-none-match': list })]).toEqual([list, 304]);
    expect([list, verdict({ 'if-none-match': list }, WEAK)]).toEqual([list, 304]);
  }
  expect(verdict({ 'if-none-match': '"b"' })).toBe('proceed');
  expect(verdict({ 'if-none-match': '"b"', 'if-modified-since': LATER })).toBe('proceed');
  expect(verdict({ 'if-none-match': '"a"', 'if-modified-since': EARLIER })).toBe(304);
});

test('If-Modified-Since', () => {
  expect(verdict({ 'if-modified-since': DATE })).toBe(304);
  expect(verdict({ 'if-modified-since': LATER })).toBe(304);
  expect(verdict({ 'if-modified-since': EARLIER })).toBe('proceed');
  expect(verdict({ 'if-modified-since': 'soon' })).toBe('proceed');
  expect(verdict({ 'if-modified-since': DATE }, NONE)).toBe('proceed');
});

test('If-Match compares strongly, and goes before If-Unmodified-Since', () => {
  expect(verdict({ 'if-match': '"a"' })).toBe('proceed');
  expect(verdict({ 'if-match': '*' }, WEAK)).toBe('proceed');
  expect(verdict({ 'if-match': '"x,y", "a"' })).toBe('proceed');
  expect(verdict({ 'if-match': '"b"' })).toBe(412);
  expect(verdict({ 'if-match': 'W/"a"' })).toBe(412);
  expect(verdict({ 'if-match': 'W/"a"' }, WEAK)).toBe(412);
  expect(verdict({ 'if-match': '"a"' }, NONE)).toBe(412);
  expect(verdict({ 'if-match': '"a"', 'if-unmodified-since': EARLIER })).toBe('proceed');
});

test('If-Unmodified-Since', () => {
  expect(verdict({ 'if-unmodified-since': DATE })).toBe('proceed');
  expect(verdict({ 'if-unmodified-since': EARLIER })).toBe(412);
  expect(verdict({ 'if-unmodified-since': 'soon' })).toBe('proceed');
  expect(verdict({ 'if-unmodified-since': EARLIER }, NONE)).toBe('proceed');
});

test('a 412 goes before a 304', () => {
  expect(verdict({ 'if-match': '"b"', 'if-none-match': '"a"' })).toBe(412);
});

test('If-Range lets a part through for a strong validator only', () => {
  expect(verdict({ 'if-range': '"a"' })).toBe('proceed');
  expect(verdict({ 'if-range': '"b"' })).toBe('whole');
  expect(verdict({ 'if-range': 'W/"a"' })).toBe('whole');
  expect(verdict({ 'if-range': 'W/"a"' }, WEAK)).toBe('whole');
  expect(verdict({ 'if-range': DATE })).toBe('proceed');
  expect(verdict({ 'if-range': LATER })).toBe('whole');
  expect(verdict({ 'if-range': DATE }, NONE)).toBe('whole');
  // The second of the last change is not over: there may be another one in it.
  expect(verdict({ 'if-range': DATE }, STRONG, Date.parse(DATE) + 999)).toBe('whole');
  expect(verdict({ 'if-range': DATE }, STRONG, Date.parse(DATE) + 1_000)).toBe('proceed');
});

test('Cache-Control: no-cache is for caches, and takes no condition away', () => {
  for (const cacheControl of ['no-cache', 'max-age=0', 'no-store, no-cache']) {
    const headers = { 'cache-control': cacheControl };
    expect(verdict({ ...headers, 'if-none-match': '"a"' })).toBe(304);
    expect(verdict({ ...headers, 'if-modified-since': DATE })).toBe(304);
  }
});

test('what is no tag matches nothing, and still goes before If-Modified-Since', () => {
  for (const list of ['', 'a', '"a', '"A"', '"b", *', 'W/ "b"']) {
    const headers = { 'if-none-match': list, 'if-modified-since': LATER };
    expect([list, verdict(headers)]).toEqual([list, 'proceed']);
  }
  expect(verdict({ 'if-none-match': '*' }, NONE)).toBe(304);
  expect(verdict({ 'if-none-match': ' * ' })).toBe(304);
  expect(verdict({ 'if-none-match': '"x,y",\t"a" ,' })).toBe(304);
  expect(verdict({ 'if-none-match': '"x,y"' }, { ...STRONG, etag: '"y"' })).toBe('proceed');
});

test('a date is one of the three forms of HTTP, and in GMT', () => {
  for (const date of [DATE, 'Wednesday, 01-Jan-25 00:00:00 GMT', 'Wed Jan  1 00:00:00 2025']) {
    expect([date, verdict({ 'if-modified-since': date })]).toEqual([date, 304]);
    expect([date, verdict({ 'if-unmodified-since': date })]).toEqual([date, 'proceed']);
  }
  for (const text of ['2030', '1', '2030-01-01', `${LATER}; length=5`, 'Wed, 01 Jan 2025']) {
    expect([text, verdict({ 'if-modified-since': text })]).toEqual([text, 'proceed']);
    expect([text, verdict({ 'if-unmodified-since': text })]).toEqual([text, 'proceed']);
  }
  expect(verdict({ 'if-unmodified-since': 'Tue Dec 31 23:59:59 2024' })).toBe(412);
});
