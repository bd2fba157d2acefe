/**
 * The path of a request, split into names of files. No I/O, and nothing is corrected: a request
 * with `..` does not come from a browser, which resolves it before it asks (RFC 3986, 5.2.4).
 */

/** Names from the root downwards, and whether the path ended with "/"; or the status to answer. */
export type RequestPath = { names: string[]; isFolder: boolean } | 400 | 403;

/** `http://host` of a request to a proxy (RFC 9112, 3.2.2), which servers must understand. */
const AUTHORITY = /^https?:\/\/[^/?#]*/i;

/**
 * Split the target of a request. Each name is decoded once and by itself, so an encoded "/" is
 * never a separator. 400: no path, or wrongly encoded, or with a NUL. 403: a part that is not a
 * name.
 */
export function parseRequestPath(target: string): RequestPath {
  const path = target.replace(AUTHORITY, '').split(/[?#]/, 1)[0] ?? '';
  if (!path.startsWith('/')) return 400;
  let names: string[];
  try {
    // Empty names, as in "//", mean nothing to the kernel either.
    names = path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return 400;
  }
  if (names.some((name) => name.includes('\0'))) return 400;
  if (names.some((name) => name === '.' || name === '..' || name.includes('/'))) return 403;
  return { names, isFolder: path.endsWith('/') };
}

/** The part of the target that begins with "?", or nothing. */
export function queryOf(target: string): string {
  return /\?[^#]*/.exec(target)?.[0] ?? '';
}
