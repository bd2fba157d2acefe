/**
 * sock_diag(7) for unix sockets: the file that the kernel made when a socket was bound to a path.
 * The path alone does not identify it: a relative path starts at a former working directory, and
 * any path may lead to another file by now.
 */
import { fstatSync } from 'node:fs';
import { AF_NETLINK, AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW } from './constants';
import { close } from './io';
import { recv, send, socket } from './socket';

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const UDIAG_SHOW_VFS = 2;
const UNIX_DIAG_VFS = 1;
const ANY = 0xffff_ffff;

// struct nlmsghdr { u32 len; u16 type; u16 flags; u32 seq; u32 pid; }
const HEADER_BYTES = 16;
// struct unix_diag_req { u8 family; u8 protocol; u16 pad; u32 states; u32 ino; u32 show; u32 cookie[2]; }
const REQUEST_BYTES = HEADER_BYTES + 24;
// struct unix_diag_msg { u8 family; u8 type; u8 state; u8 pad; u32 ino; u32 cookie[2]; }
const ANSWER_BYTES = HEADER_BYTES + 16;
// struct rtattr { u16 len; u16 type; }
const ATTRIBUTE_BYTES = 4;
// struct unix_diag_vfs { u32 ino; u32 dev; }
const VFS_BYTES = 8;
/** An answer with one small attribute. */
const ROOM = 256;

/** A file as the kernel names it. */
export interface BoundFile {
  /** The lower 32 bits of its inode number. */
  inode: number;
  /** The device of its file system, as stat(2) gives it. */
  device: number;
}

/**
 * The file that the unix socket `fd` is bound to. Null if there is none, if the socket belongs to
 * another network namespace, or if the kernel does not say (no sock_diag, no free fd). On file
 * systems with devices of their own in stat(2) (btrfs), `device` differs. Does not block.
 */
export function boundFileOf(fd: number): BoundFile | null {
  const inode = fstatSync(fd).ino;
  const netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return null;
  try {
    const request = encodeRequest(inode);
    if (send(netlink, request, request.byteLength, 0) < 0) return null;
    const answer = new Uint8Array(ROOM);
    const length = recv(netlink, answer, ROOM, MSG_DONTWAIT);
    return length < 0 ? null : decodeAnswer(new DataView(answer.buffer, 0, length), inode);
  } finally {
    close(netlink);
  }
}

function encodeRequest(inode: number): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, REQUEST_BYTES, true);
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  view.setUint8(HEADER_BYTES, AF_UNIX);
  view.setUint32(HEADER_BYTES + 4, ANY, true);
  view.setUint32(HEADER_BYTES + 8, inode >>> 0, true);
  view.setUint32(HEADER_BYTES + 12, UDIAG_SHOW_VFS, true);
  view.setUint32(HEADER_BYTES + 16, ANY, true);
  view.setUint32(HEADER_BYTES + 20, ANY, true);
  return bytes;
}

function decodeAnswer(view: DataView, inode: number): BoundFile | null {
  if (view.byteLength < ANSWER_BYTES) return null;
  // Anything else is an error, such as ENOENT.
  if (view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY) return null;
  if (view.getUint32(HEADER_BYTES + 4, true) !== inode >>> 0) return null;
  const end = Math.min(view.byteLength, view.getUint32(0, true));
  for (let at = ANSWER_BYTES; at + ATTRIBUTE_BYTES <= end; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > end) return null;
    const body = at + ATTRIBUTE_BYTES;
    if (view.getUint16(at + 2, true) === UNIX_DIAG_VFS && length >= ATTRIBUTE_BYTES + VFS_BYTES) {
      const device = deviceOf(view.getUint32(body + 4, true));
      return { inode: view.getUint32(body, true), device };
    }
    at += (length + 3) & ~3;
  }
  return null;
}

/** The kernel keeps 12 bits of major and 20 of minor number; stat(2) has them in another order. */
function deviceOf(kernelDevice: number): number {
  const major = kernelDevice >>> 20;
  const minor = kernelDevice & 0xf_ffff;
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
