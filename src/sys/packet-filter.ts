/**
 * The one classic BPF program of this package: it chooses the socket of an SO_REUSEPORT group. Arguments are
 * checked, the result is 0 or `-errno`. See the kernel's Documentation/networking/filter.rst, socket(7).
 */
import { checkFd, checkInteger, UINT32_MAX } from '../base/check';
import { SO_ATTACH_REUSEPORT_CBPF, SOL_SOCKET } from './constants';
import { addressOfMemory, offsetOf, sizeOf, struct } from './libc';
import { setsockopt } from './socket';

/** `struct sock_fprog { unsigned short len; struct sock_filter *filter; }` */
const program = struct({ len: 'unsigned short', filter: 'void *' });
/** `struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; }` */
const INSTRUCTION_BYTES = 8;

/** BPF_LD | BPF_W | BPF_ABS: the accumulator is what is at `k`. */
const LOAD = 0x20;
/** BPF_ALU | BPF_MOD | BPF_K. */
const MODULO = 0x94;
/** BPF_RET | BPF_A. */
const RETURN_ACCUMULATOR = 0x16;
/** SKF_AD_OFF + SKF_AD_CPU: not a place in the packet, but the number of this CPU. */
const CPU = (-0x1000 + 36) >>> 0;

const INSTRUCTIONS = [
  [LOAD, CPU],
  [MODULO, 1],
  [RETURN_ACCUMULATOR, 0],
] as const;
const OPERAND_BYTE = 4;
/** The operand of the second instruction. */
const DIVISOR_BYTE = INSTRUCTION_BYTES + OPERAND_BYTE;

/** C reads this by its address, so it is held for ever. */
const filter = new DataView(new ArrayBuffer(INSTRUCTIONS.length * INSTRUCTION_BYTES));
for (const [index, [code, operand]] of INSTRUCTIONS.entries()) {
  filter.setUint16(index * INSTRUCTION_BYTES, code, true);
  filter.setUint32(index * INSTRUCTION_BYTES + OPERAND_BYTE, operand, true);
}

/**
 * `setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ...)`: of the `sockets` of the group, in the order
 * in which they began to listen, the one at `cpu % sockets` takes a new client.
 *
 * Returns 0, or -EINVAL, -ENOPROTOOPT, -EPERM, -EBADF. Does not block.
 */
export function attachReusePortFilter(fd: number, sockets: number): number {
  checkFd(fd);
  checkInteger('sockets', sockets, 1, UINT32_MAX);
  filter.setUint32(DIVISOR_BYTE, sockets, true);
  const bytes = new Uint8Array(sizeOf(program));
  const view = new DataView(bytes.buffer);
  view.setUint16(offsetOf(program, 'len'), INSTRUCTIONS.length, true);
  view.setBigUint64(offsetOf(program, 'filter'), addressOfMemory(filter), true);
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, bytes);
}
