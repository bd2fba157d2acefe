import { ViewCache } from '../../src/bytes/view-cache';

const buffer = Buffer.from(Array.from({ length: 65_536 }, (_, index) => index & 0xff));

test('views are those of subarray, whatever was asked for before', () => {
  const cache = new ViewCache(buffer);
  for (let round = 0; round < 20_000; round += 1) {
    const start = Math.floor(Math.random() * 5_000);
    const end = start + Math.floor(Math.random() * (round % 2 === 0 ? 5_000 : 60_000));
    const view = cache.view(start, end);
    expect([view.byteOffset - buffer.byteOffset, view.length]).toEqual([start, end - start]);
  }
});

test('the same view is made once, also if others of round lengths were asked for', () => {
  const cache = new ViewCache(buffer);
  expect(cache.view(0, 64)).toBe(cache.view(0, 64));
  const round = [1, 2, 4, 8, 16, 32, 64].map((kib) => cache.view(0, kib * 1_024));
  for (const view of round) expect(cache.view(0, view.length)).toBe(view);
  expect(cache.view(0, 65)).not.toBe(cache.view(0, 64));
  expect(cache.view(8, 72)).toEqual(buffer.subarray(8, 72));
});
