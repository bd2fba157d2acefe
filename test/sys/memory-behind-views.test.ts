/**
 * Memory that is not the caller's stays as it is, whatever the kernel believes of a buffer: sizes that
 * are wrong in the request's number, counts in the buffer, and buffers that change under the call.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as sys from '../../src/sys';
import { withGuardedCopy } from '../../src/sys/guarded-memory';
import { declare, result } from '../../src/sys/libc';
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, counter } from '../support/fds';
import { pipe } from '../support/files';
import { makeFolder } from '../support/folder';
import { IN_NAMESPACE } from '../support/namespace';
import { testIf } from '../support/requires';

expectNoFdLeaks();

const { errno } = sys;
const c = sys.constants;
const FILL = 0xaa;

/** A view in the middle of memory that is watched. */
function watched(length: number): { view: Uint8Array; isWhole: () => boolean } {
  const all = new Uint8Array(length + 16_384).fill(FILL);
  const view = all.subarray(8_192, 8_192 + length).fill(0);
  const isWhole = (): boolean =>
    all.every((byte, index) => byte === FILL || (index >= 8_192 && index < 8_192 + length));
  return { view, isWhole };
}

/** A file whose blocks the file system can be asked for. */
function file(): number {
  const fd = closeLater(openSync(join(makeFolder(), 'file'), 'w+'));
  writeSync(fd, Buffer.alloc(8_192, 1));
  return fd;
}

describe('ioctl: structures with a count', () => {
  // <linux/fiemap.h>: a head of 32 bytes, which the number has, and extents of 56 behind it.
  const FS_IOC_FIEMAP = 0xc020_660b;
  const FIEMAP_FLAG_SYNC = 1;

  function fiemap(bytes: number, count: number): ReturnType<typeof watched> {
    const one = watched(bytes);
    const head = new DataView(one.view.buffer, one.view.byteOffset, bytes);
    head.setBigUint64(8, 2n ** 40n, true);
    head.setUint32(16, FIEMAP_FLAG_SYNC, true);
    head.setUint32(24, count, true);
    return one;
  }

  test('what stands behind the head does not reach the memory behind the view', () => {
    const { view, isWhole } = fiemap(32, 4);
    const outcome = sys.ioctl(file(), FS_IOC_FIEMAP, view);
    expect([0, -errno.EOPNOTSUPP]).toContain(outcome);
    expect(isWhole()).toBe(true);
    if (outcome === 0) expect(view[20]).toBe(1);
  });

  test('and a view with room for it gets it', () => {
    const { view, isWhole } = fiemap(32 + 56, 1);
    const outcome = sys.ioctl(file(), FS_IOC_FIEMAP, view);
    expect([0, -errno.EOPNOTSUPP]).toContain(outcome);
    // The length of the extent.
    if (outcome === 0) expect(view.subarray(32 + 16, 32 + 24).some((byte) => byte > 0)).toBe(true);
    expect(isWhole()).toBe(true);
  });
});

test('guarded memory has the bytes, then zeros, and ends: a call that goes on gets EFAULT', () => {
  const write = declare('int64_t', 'write', ['int', 'void *', 'size_t']);
  const { reader, writer } = pipe();
  const view = Uint8Array.of(1, 2, 3);
  const outcome = withGuardedCopy(view, 32, (address) => {
    expect(write(writer, address, 32)).toBe(32);
    return result(write(writer, address + 32n, 1));
  });
  expect(outcome).toBe(-errno.EFAULT);
  const bytes = new Uint8Array(64);
  expect(sys.read(reader, bytes)).toBe(32);
  expect([...bytes.subarray(0, 5)]).toEqual([1, 2, 3, 0, 0]);
  expect([...view]).toEqual([1, 2, 3]);
});

describe('ioctl: a number that is wrong', () => {
  const TUNSETIFF = 0x4004_54ca;
  const TUNGETIFF = 0x8004_54d2;
  const TUNSETQUEUE = 0x4004_54d9;

  test.each([TUNSETIFF, TUNGETIFF, TUNSETQUEUE, TUNGETIFF | 0])(
    'request %p needs a struct ifreq, and not the 4 bytes that it says',
    (request) => {
      for (const bytes of [4, 39]) {
        const wanted = expect(() => sys.ioctl(counter(), request, new Uint8Array(bytes)));
        wanted.toThrow(/"argument.byteLength" is out of range. It must be >= (40|32)/);
      }
      expect(sys.ioctl(counter(), request, new Uint8Array(40))).toBe(-errno.ENOTTY);
    },
  );

  testIf(IN_NAMESPACE !== null, 'a network namespace')('a tun device is made', async () => {
    const program = runTs('test/sys/programs/tun.ts', { command: IN_NAMESPACE as string[] });
    const { code } = await program.exit();
    expect({ code, stderr: program.stderr }).toEqual({ code: 0, stderr: '' });
    expect(['tun0', 'no tun devices']).toContain(program.stdout.trim());
  });

  test('one whose argument the kernel keeps is refused: USBDEVFS_SUBMITURB', () => {
    const submit = 0x8038_550a;
    expect(() => sys.ioctl(counter(), submit, new Uint8Array(64))).toThrow(/"request"/);
  });
});

test('getsockopt: a count in the value does not reach the memory behind the view', () => {
  const fd = closeLater(sys.unwrap(sys.socket(c.AF_INET, c.SOCK_DGRAM, 0), 'socket'));
  const group = sys.encodeAddress({ address: '239.1.2.3', port: 0 }).subarray(4, 8);
  const own = sys.encodeAddress({ address: '127.0.0.1', port: 0 }).subarray(4, 8);
  // IP_ADD_SOURCE_MEMBERSHIP: struct ip_mreq_source { group, interface, source }.
  for (let last = 1; last <= 8; last += 1) {
    const source = Uint8Array.of(...group, ...own, 10, 0, 0, last);
    expect(sys.setsockopt(fd, c.IPPROTO_IP, 39, source)).toBe(0);
  }
  // IP_MSFILTER: struct ip_msfilter { group, interface, mode, count, sources[] }.
  const { view, isWhole } = watched(16);
  view.set([...group, ...own]);
  new DataView(view.buffer, view.byteOffset).setUint32(12, 8, true);
  const length = sys.getsockopt(fd, c.IPPROTO_IP, 41, view);
  expect(isWhole()).toBe(true);
  expect(length).toBe(16 + 4 * 8);
});

describe('writev', () => {
  test('takes no address of a buffer that a later one takes away', () => {
    const { reader, writer } = pipe();
    const first = new Uint8Array(64).fill(1);
    const buffers = [first, new Uint8Array(4)];
    Object.defineProperty(buffers, 1, {
      get: () => {
        structuredClone(first.buffer, { transfer: [first.buffer] });
        return new Uint8Array(4).fill(2);
      },
    });
    expect(sys.writev(writer, buffers)).toBe(4);
    const bytes = new Uint8Array(128);
    expect(sys.read(reader, bytes)).toBe(4);
    expect([...bytes.subarray(0, 5)]).toEqual([2, 2, 2, 2, 0]);
  });
});

test('views that lie about themselves are taken for what they are', () => {
  class Lying extends Uint8Array {
    override get byteLength(): number {
      return 1 << 20;
    }
    override get byteOffset(): number {
      return 1 << 20;
    }
    override get buffer(): ArrayBuffer {
      return new ArrayBuffer(1);
    }
    override subarray(): never {
      throw new Error('subarray of the caller was called');
    }
  }
  const encoded = sys.encodeAddress({ address: '192.0.2.1', port: 80 });
  const lying = new Lying(encoded);
  expect(sys.decodeAddress(lying)).toEqual({ family: 'IPv4', address: '192.0.2.1', port: 80 });
  expect(sys.addressNetwork(lying)).toBe(0xc000_0201);
  expect(sys.decodeUnixAddress(new Lying(sys.encodeUnixAddress({ path: '/a' })))?.path).toBe('/a');
  const credentials = new Lying(Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0));
  expect(sys.decodeCredentials(credentials)).toEqual({ pid: 1, uid: 2, gid: 3 });
  expect(sys.decodeInotifyEvents(new Lying(16), 16)).toHaveLength(1);
  expect(sys.decodeRouteMessages(new Lying(16), 16)).toEqual([]);
  expect(sys.decodeChildInfo(new Lying(sys.SIGINFO_BYTES)).pid).toBe(0);
  expect(sys.encodePath(new Lying(Buffer.from('abc')))).toEqual(
    Uint8Array.of(...Buffer.from('abc'), 0),
  );
  const batch = new sys.MessageBatch({ bytesPerMessage: 16, controlBytes: 64 });
  batch.set(0, new Lying(Buffer.from('text')), new Lying(encoded));
  expect(batch.address(0)).toEqual(Buffer.from(encoded));
  batch.addControl(0, { level: 1, type: 1, data: new Lying(4) });
  expect(batch.control(0)[0]?.data).toEqual(new Uint8Array(4));
});
