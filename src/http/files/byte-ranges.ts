/**
 * Byte ranges of RFC 9110, section 14: the part of a file that a `Range` field asks for, and the
 * `multipart/byteranges` body that carries several. No I/O: a body is text and file ranges in
 * order.
 */
import parse from 'range-parser';
import type { FileRange } from '../../bytes/file-range';

/** A piece of a body: text (ASCII), or bytes of the file. */
export type BodyPart = string | FileRange;

/**
 * The maximum of ranges in one answer. Each costs a head and a seek, so a request for very many
 * small ones is an attack (RFC 9110, 17.15) and gets the whole file.
 */
export const MAX_RANGES = 32;

/**
 * The selection of `field`, the value of `Range`, from a file of `size` bytes: ranges in the
 * requested order, joined where they touch or overlap; `'whole'` if the field must be ignored (RFC
 * 9110, 14.2: not bytes, not understood, too many); `'unsatisfiable'` if the answer is a 416.
 */
export function selectRanges(field: string, size: number): FileRange[] | 'whole' | 'unsatisfiable' {
  // An empty file has no bytes to select, and some clients add Range to every request.
  if (size === 0) return 'whole';
  const ranges = parse(size, clampSuffixes(field, size), { combine: true });
  if (ranges === -1) return 'unsatisfiable';
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length > MAX_RANGES) return 'whole';
  return ranges.map(({ start, end }) => ({ offset: start, length: end - start + 1 }));
}

/**
 * "The last N bytes" of a shorter file is all of it (14.1.2); the parser calls it unsatisfiable.
 * The pattern begins at a separator: one that looked back for it took quadratic time over blanks.
 */
function clampSuffixes(field: string, size: number): string {
  return field.replace(
    /([=,]\s*)-(\d+)/g,
    (_, before, digits) => `${before}-${Math.min(Number(digits), size)}`,
  );
}

/** The value of `Content-Range` for one range of `size` bytes. */
export function contentRange({ offset, length }: FileRange, size: number): string {
  return `bytes ${offset}-${offset + length - 1}/${size}`;
}

/** A `multipart/byteranges` body (RFC 9110, 14.6). `type` is the `Content-Type` of the file. */
export function multipart(
  ranges: readonly FileRange[],
  { boundary, type, size }: { boundary: string; type: string; size: number },
): BodyPart[] {
  const parts = ranges.flatMap((range, index): BodyPart[] => {
    const fields = `Content-Type: ${type}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`;
    return [`${index === 0 ? '' : '\r\n'}--${boundary}\r\n${fields}`, range];
  });
  return [...parts, `\r\n--${boundary}--\r\n`];
}

/** The bytes of a body. */
export function bodyLength(parts: readonly BodyPart[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
