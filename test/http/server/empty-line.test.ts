/** Empty lines are found where a plain search finds them, whatever stands around them. */
import { endOfEmptyLine, endOfStarted, matchedAfter } from '../../../src/http/server/empty-line';

/** As the parser takes it, by a search that is too slow for use. */
function plainEnd(text: string, start: number): number {
  const found = /\n\r?\n/.exec(text.slice(start));
  return found === null ? 0 : start + found.index + found[0].length;
}

/** All texts of `letters` with this length. */
function texts(length: number, letters: string): string[] {
  if (length === 0) return [''];
  return texts(length - 1, letters).flatMap((text) => [...letters].map((letter) => text + letter));
}

const SHORT = Array.from({ length: 7 }, (_, length) => texts(length, '\r\na')).flat();

test('in every short text of letters, CR and LF, from every place on', () => {
  for (const text of SHORT) {
    const bytes = Buffer.from(text);
    for (let start = 0; start <= text.length; start += 1) {
      if (endOfEmptyLine(bytes, start) !== plainEnd(text, start)) {
        expect([text, start, endOfEmptyLine(bytes, start)]).toEqual([
          text,
          start,
          plainEnd(text, start),
        ]);
      }
    }
  }
});

test.each(['\n\n', '\n\r\n', '\n\r', '\r\n'])(
  '%j around the place where native code begins',
  (end) => {
    for (let length = 1_018; length < 1_030; length += 1) {
      for (const behind of ['', 'a', '\n', '\n\n', '\r\n', '\n\r\nGET']) {
        const text = `${'x'.repeat(length)}${end}${behind}`;
        expect(endOfEmptyLine(Buffer.from(text), 0)).toBe(plainEnd(text, 0));
        expect(endOfEmptyLine(Buffer.from(text), 3)).toBe(plainEnd(text, 3));
      }
    }
  },
);

test('an empty line that is cut anywhere is found in its second part', () => {
  for (const text of SHORT) {
    for (let cut = 0; cut <= text.length; cut += 1) {
      const [before, behind] = [text.slice(0, cut), text.slice(cut)];
      // What stands before the cut has no empty line: it would have been taken.
      if (plainEnd(before, 0) > 0) continue;
      const end = endOfStarted(Buffer.from(behind), matchedAfter(Buffer.from(before), 0));
      const wanted = plainEnd(text, 0);
      if (end !== (wanted === 0 ? 0 : wanted - cut)) {
        expect([before, behind, end]).toEqual([before, behind, wanted - cut]);
      }
    }
  }
});
