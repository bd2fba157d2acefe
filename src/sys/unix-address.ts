/**
 * Addresses of unix sockets: a name to the bytes of `struct sockaddr_un`, and back.
 *
 * Names are as `node:net` has them: a path in the file system; a name that begins with NUL is
 * abstract, known to the kernel alone and gone with its last socket; the empty name is that of a
 * socket that was never bound. See unix(7).
 *
 * An abstract name is exactly its bytes, as for other programs. `node:net` of Node 20 fills its own
 * up with NULs to 108 bytes: to meet it, do the same, `name.padEnd(108, '\0')`.
 */
import { bytesOf, checkObject, checkWhole, invalidType, outOfRange } from '../base/check';
import { AF_UNIX } from './constants';

/** The name of a unix socket. */
export interface UnixAddress {
  family: 'unix';
  /** "/run/app.sock", "\\0abstract", or "" for an unnamed socket. */
  path: string;
}

// struct sockaddr_un { u16 family; char path[108]; }
const FAMILY_BYTES = 2;
/** The most bytes of a name, without the NUL that ends a path or begins an abstract name. */
export const UNIX_NAME_MAX = 107;

const NUL = 0;

/**
 * The bytes of `struct sockaddr_un` for a name, as bind(2) and connect(2) take them. An empty path
 * makes bind(2) choose an abstract name. Throws a RangeError for a name that is longer than 107
 * bytes, and for a path with a NUL in it.
 */
export function encodeUnixAddress(address: Pick<UnixAddress, 'path'>): Uint8Array {
  checkObject('address', address);
  const { path } = address;
  if (typeof path !== 'string') throw invalidType('path', 'a string', path);
  const name = Buffer.from(path);
  const isAbstract = name[0] === NUL;
  if (name.length - (isAbstract ? 1 : 0) > UNIX_NAME_MAX) {
    throw outOfRange('path', `at most ${UNIX_NAME_MAX} bytes of UTF-8`, path);
  }
  if (!isAbstract && name.includes(NUL)) {
    throw outOfRange('path', 'without NUL, or begin with it', path);
  }
  // An abstract name is all the given bytes; a NUL ends a path.
  const end = isAbstract || name.length === 0 ? 0 : 1;
  const bytes = new Uint8Array(FAMILY_BYTES + name.length + end);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, FAMILY_BYTES);
  return bytes;
}

/**
 * Decode an address that getsockname(2), getpeername(2), accept4(2) or recvmsg(2) wrote into
 * `bytes`, which must end where the kernel's address ends: `bytes.subarray(0, length)`. Returns
 * null for another family. Bytes that are not UTF-8 become U+FFFD.
 */
export function decodeUnixAddress(bytes: Uint8Array): UnixAddress | null {
  const length = checkWhole(bytes, 'bytes');
  const { buffer, byteOffset } = bytesOf(bytes);
  const view = Buffer.from(buffer, byteOffset, length);
  if (length < FAMILY_BYTES || view.readUInt16LE(0) !== AF_UNIX) return null;
  const name = view.subarray(FAMILY_BYTES);
  const end = name[0] === NUL ? -1 : name.indexOf(NUL);
  return { family: 'unix', path: name.toString('utf8', 0, end < 0 ? name.length : end) };
}
