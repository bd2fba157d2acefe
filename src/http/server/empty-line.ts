/**
 * Finding empty lines, which end the heads of requests. Pure; the lines before them are not looked at.
 *
 * A line ends with CR and LF or, as the parser takes it with `insecureHTTPParser`, with LF alone. So an
 * empty line is an LF behind an LF, with or without a CR between them; the first LF counts as part of it.
 */

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** So many bytes are searched here: a call of native code takes as long. It searches the rest. */
const SEARCHED_BYTES = 1_024;
const EMPTY_LINE = Buffer.from('\n\r\n');
const BARE_EMPTY_LINE = Buffer.from('\n\n');

/** Where the first empty line of `bytes` that begins at `start` or behind it ends; 0 if there is none. */
export function endOfEmptyLine(bytes: Buffer, start: number): number {
  const { length } = bytes;
  const end = Math.min(start + SEARCHED_BYTES, length);
  // One of its bytes stands at each second place.
  for (let index = start + 1; index < end; index += 2) {
    const byte = bytes[index] as number;
    if (byte > CARRIAGE_RETURN) continue;
    const isBehindLine = bytes[index - 1] === LINE_FEED;
    const isBeforeLine = index + 1 < length && bytes[index + 1] === LINE_FEED;
    if (byte === LINE_FEED) {
      if (isBehindLine || endsBehind(bytes, start, index - 2)) return index + 1;
      if (isBeforeLine) return index + 2;
    } else if (byte === CARRIAGE_RETURN && isBehindLine && isBeforeLine) return index + 2;
  }
  return end === length ? 0 : searchFurther(bytes, Math.max(end - 2, start));
}

/** How much of an empty line stands at the end of `bytes`, before which `matched` of one stood: 1 for
 * the end of a line, 2 if a CR is behind it. */
export function matchedAfter(bytes: Buffer, matched: number): number {
  const last = bytes[bytes.length - 1];
  if (last === LINE_FEED) return 1;
  if (last !== CARRIAGE_RETURN) return 0;
  const isBehindLine = bytes.length > 1 ? bytes[bytes.length - 2] === LINE_FEED : matched === 1;
  return isBehindLine ? 2 : 0;
}

/** As {@link endOfEmptyLine}, where `matched` of an empty line stood before `bytes`. */
export function endOfStarted(bytes: Buffer, matched: number): number {
  if (matched > 0 && bytes[0] === LINE_FEED) return 1;
  if (matched === 1 && bytes[0] === CARRIAGE_RETURN && bytes[1] === LINE_FEED) return 2;
  return endOfEmptyLine(bytes, 0);
}

/** Whether an LF and a CR stand at `first`, not before `start`. */
function endsBehind(bytes: Buffer, start: number, first: number): boolean {
  return first >= start && bytes[first + 1] === CARRIAGE_RETURN && bytes[first] === LINE_FEED;
}

function searchFurther(bytes: Buffer, start: number): number {
  const strict = bytes.indexOf(EMPTY_LINE, start);
  const end = strict < 0 ? 0 : strict + EMPTY_LINE.length;
  const lenient = (end > 0 ? bytes.subarray(0, end) : bytes).indexOf(BARE_EMPTY_LINE, start);
  return lenient < 0 ? end : lenient + BARE_EMPTY_LINE.length;
}
