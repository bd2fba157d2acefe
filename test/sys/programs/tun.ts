/** Makes a tun device in a network namespace of its own, and looks at the memory round the buffer. */
import { openSync } from 'node:fs';
import * as sys from '../../../src/sys';

const TUNSETIFF = 0x4004_54ca;
const IFREQ_BYTES = 40;
const FLAGS_BYTE = 16;
const IFF_TUN = 1;

function open(): number | null {
  try {
    return openSync('/dev/net/tun', 'r+');
  } catch {
    return null;
  }
}

const fd = open();
if (fd === null) {
  console.log('no tun devices');
} else {
  const memory = new Uint8Array(3 * IFREQ_BYTES).fill(0xaa);
  const request = memory.subarray(IFREQ_BYTES, 2 * IFREQ_BYTES).fill(0);
  request[FLAGS_BYTE] = IFF_TUN;
  sys.unwrap(sys.ioctl(fd, TUNSETIFF, request), 'ioctl');
  const around = [...memory.subarray(0, IFREQ_BYTES), ...memory.subarray(2 * IFREQ_BYTES)];
  if (around.some((byte) => byte !== 0xaa)) throw new Error('memory of others was changed');
  console.log(Buffer.from(request).toString('latin1').split('\0')[0]);
}
