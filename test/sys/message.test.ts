import { Worker } from 'node:worker_threads';
import { encodeAddress } from '../../src/sys/address';
import * as c from '../../src/sys/constants';
import { decodeCredentials } from '../../src/sys/control-message';
import { errno, unwrap } from '../../src/sys/errno';
import { write } from '../../src/sys/io';
import { recvmmsg, recvmsg, sendmmsg, sendmsg, sendto } from '../../src/sys/message';
import { controlSpace } from '../../src/sys/message-abi';
import { MessageBatch } from '../../src/sys/message-batch';
import { bind, getsockname, setsockopt, socket, socketpair } from '../../src/sys/socket';
import { decodeUnixAddress, encodeUnixAddress } from '../../src/sys/unix-address';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, counter, put, take } from '../support/fds';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next } from '../support/until';

expectNoFdLeaks();

const DGRAM = c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;

function unixPair(type = c.SOCK_DGRAM): [number, number] {
  const fds = new Int32Array(2);
  const kind = type | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
  unwrap(socketpair(c.AF_UNIX, kind, 0, fds), 'socketpair');
  return [closeLater(fds[0] as number), closeLater(fds[1] as number)];
}

/** A UDP socket at a free port of the loopback. */
function udp(): { fd: number; address: Uint8Array } {
  const fd = closeLater(unwrap(socket(c.AF_INET, DGRAM, 0), 'socket'));
  unwrap(bind(fd, encodeAddress({ address: '127.0.0.1', port: 0 })), 'bind');
  const address = new Uint8Array(128);
  return { fd, address: address.slice(0, getsockname(fd, address)) };
}

describe('one message', () => {
  test('carries bytes and an address, and comes with the address of its sender', () => {
    const [here, there] = [udp(), udp()];
    const batch = new MessageBatch({ bytesPerMessage: 64 });
    batch.set(0, Buffer.from('hello'), there.address);
    expect(sendmsg(here.fd, batch, 0, 0)).toBe(5);
    expect(batch.length(0)).toBe(5);
    const other = new MessageBatch({ count: 2, bytesPerMessage: 64 });
    expect(recvmsg(there.fd, other, 1, 0)).toBe(5);
    expect(other.received(1).toString()).toBe('hello');
    expect(other.flags(1)).toBe(0);
    expect(other.address(1)).toEqual(Buffer.from(here.address));
    // The other message of the batch was not touched.
    expect([other.length(0), other.received(0).length]).toEqual([0, 0]);
  });

  test('what was received goes back to its sender as it is', () => {
    const [here, there] = [udp(), udp()];
    expect(sendto(here.fd, Buffer.from('ping, and more'), 4, 0, there.address)).toBe(4);
    const batch = new MessageBatch({ bytesPerMessage: 64 });
    expect(recvmsg(there.fd, batch, 0, 0)).toBe(4);
    expect(sendmsg(there.fd, batch, 0, 0)).toBe(4);
    expect(take(here.fd)).toBe('ping');
  });

  test('one that is too long is cut, and says so', () => {
    const [here, there] = unixPair();
    put(here, '0123456789');
    put(here, 'next');
    const batch = new MessageBatch({ bytesPerMessage: 4 });
    expect(recvmsg(there, batch, 0, 0)).toBe(4);
    expect(batch.flags(0) & c.MSG_TRUNC).toBe(c.MSG_TRUNC);
    expect(batch.received(0).toString()).toBe('0123');
    expect(recvmsg(there, batch, 0, 0)).toBe(4);
    expect(batch.received(0).toString()).toBe('next');
    expect(batch.flags(0) & c.MSG_TRUNC).toBe(0);
    put(here, '0123456789');
    expect(recvmsg(there, batch, 0, c.MSG_TRUNC)).toBe(10);
    expect(batch.length(0)).toBe(10);
    expect(batch.received(0).toString()).toBe('0123');
  });

  test('would-block and failure leave an empty message', () => {
    const [here, there] = unixPair();
    const batch = new MessageBatch({ bytesPerMessage: 8, controlBytes: 64 });
    put(here, 'x');
    expect(recvmsg(there, batch, 0, 0)).toBe(1);
    expect(recvmsg(there, batch, 0, 0)).toBe(-errno.EAGAIN);
    expect([batch.length(0), batch.address(0).length, batch.control(0)]).toEqual([0, 0, []]);
    expect(recvmsg(counter(), batch, 0, 0)).toBe(-errno.ENOTSOCK);
    expect(sendmsg(counter(), batch, 0, 0)).toBe(-errno.ENOTSOCK);
    batch.set(0, Buffer.from('x'));
    expect(sendmsg(udp().fd, batch, 0, 0)).toBe(-errno.EDESTADDRREQ);
    expect(sendto(udp().fd, Buffer.alloc(70_000), 70_000, 0, udp().address)).toBe(-errno.EMSGSIZE);
  });

  test('seqpacket keeps the borders of records, and says where one ends', () => {
    const [here, there] = unixPair(c.SOCK_SEQPACKET);
    put(here, 'one');
    put(here, 'second');
    const batch = new MessageBatch({ count: 4, bytesPerMessage: 64 });
    expect(recvmmsg(there, batch, 4, 0)).toBe(2);
    expect([0, 1, 2].map((index) => batch.received(index).toString())).toEqual([
      'one',
      'second',
      '',
    ]);
  });
});

describe('batches', () => {
  test('many messages each way in one call', () => {
    const [here, there] = [udp(), udp()];
    const batch = new MessageBatch({ count: 50, bytesPerMessage: 100 });
    for (let index = 0; index < 50; index += 1) {
      batch.set(index, Buffer.alloc(index + 1, index), there.address);
    }
    expect(sendmmsg(here.fd, batch, 0, 50, 0)).toBe(50);
    expect(batch.length(49)).toBe(50);
    expect(recvmmsg(there.fd, batch, 50, 0)).toBe(50);
    for (let index = 0; index < 50; index += 1) {
      expect(batch.received(index)).toEqual(Buffer.alloc(index + 1, index));
      expect(batch.address(index)).toEqual(Buffer.from(here.address));
    }
    expect(recvmmsg(there.fd, batch, 50, 0)).toBe(-errno.EAGAIN);
    expect(batch.length(0)).toBe(0);
  });

  test('a part of a batch can be sent, and the kernel may take a part of that', () => {
    const [here, there] = unixPair();
    const batch = new MessageBatch({ count: 1024, bytesPerMessage: 8 });
    for (let index = 0; index < 1024; index += 1) batch.set(index, Buffer.from(String(index)));
    expect(sendmmsg(here, batch, 3, 2, 0)).toBe(2);
    expect([take(there), take(there), take(there)]).toEqual(['3', '4', '']);
    // The receiver's queue has a limit: /proc/sys/net/unix/max_dgram_qlen.
    const taken = sendmmsg(here, batch, 0, 1024, 0);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(1024);
    expect(batch.length(taken - 1)).toBe(String(taken - 1).length);
    expect(batch.length(taken)).toBe(0);
    expect(sendmmsg(here, batch, taken, 1, 0)).toBe(-errno.EAGAIN);
  });

  test('the sizes are checked', () => {
    expect(() => new MessageBatch({ count: 1025, bytesPerMessage: 1 })).toThrow(/"count"/);
    expect(() => new MessageBatch({ bytesPerMessage: 0 })).toThrow(/"bytesPerMessage"/);
    const batch = new MessageBatch({ count: 2, bytesPerMessage: 4 });
    expect(() => batch.set(0, Buffer.alloc(5))).toThrow(/"bytes.byteLength".*<= 4/);
    expect(() => batch.set(2, Buffer.alloc(1))).toThrow(/"index"/);
    expect(() => recvmmsg(0, batch, 3, 0)).toThrow(/"count"/);
    expect(() => sendmmsg(0, batch, 1, 2, 0)).toThrow(/"count"/);
  });
});

describe('control messages', () => {
  test('travel beside the bytes, several at a time, and end with the next set', () => {
    const [here, there] = unixPair();
    unwrap(setsockopt(there, c.SOL_SOCKET, c.SO_PASSCRED, Int32Array.of(1)), 'setsockopt');
    const batch = new MessageBatch({ bytesPerMessage: 8, controlBytes: 128 });
    batch.set(0, Buffer.from('x'));
    const fds = new Uint8Array(Int32Array.of(counter(7)).buffer);
    batch.addControl(0, { level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: fds });
    const { pid, getuid, getgid } = process;
    const identity = Uint32Array.of(pid, getuid?.() as number, getgid?.() as number);
    const data = new Uint8Array(identity.buffer);
    batch.addControl(0, { level: c.SOL_SOCKET, type: c.SCM_CREDENTIALS, data });
    expect(sendmsg(here, batch, 0, 0)).toBe(1);
    expect(recvmsg(there, batch, 0, c.MSG_CMSG_CLOEXEC)).toBe(1);
    const control = batch.control(0);
    expect(control.map(({ level, type }) => [level, type])).toEqual([
      [c.SOL_SOCKET, c.SCM_CREDENTIALS],
      [c.SOL_SOCKET, c.SCM_RIGHTS],
    ]);
    expect(decodeCredentials(control[0]?.data as Uint8Array)).toEqual({
      pid,
      uid: identity[1],
      gid: identity[2],
    });
    const rights = control[1]?.data as Uint8Array;
    const fd = closeLater(new DataView(rights.buffer).getInt32(0, true));
    const count = Buffer.alloc(8);
    expect(recvmsg(there, batch, 0, 0)).toBe(-errno.EAGAIN);
    count.writeBigUInt64LE(1n);
    // It is a counter indeed.
    expect(write(fd, count)).toBe(8);

    batch.set(0, Buffer.from('y'));
    expect(sendmsg(here, batch, 0, 0)).toBe(1);
    expect(recvmsg(there, batch, 0, 0)).toBe(1);
    expect(batch.control(0).map(({ type }) => type)).toEqual([c.SCM_CREDENTIALS]);
  });

  test('no room for them is a RangeError when sending, and MSG_CTRUNC when receiving', () => {
    const [here, there] = unixPair();
    const batch = new MessageBatch({ bytesPerMessage: 8, controlBytes: controlSpace(4) });
    const data = new Uint8Array(Int32Array.of(counter()).buffer);
    const message = { level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data };
    batch.set(0, Buffer.from('x'));
    batch.addControl(0, message);
    expect(() => batch.addControl(0, message)).toThrow(/"data.byteLength".*at most 0/);
    expect(sendmsg(here, batch, 0, 0)).toBe(1);
    const without = new MessageBatch({ bytesPerMessage: 8 });
    expect(recvmsg(there, without, 0, 0)).toBe(1);
    expect(without.flags(0) & c.MSG_CTRUNC).toBe(c.MSG_CTRUNC);
    expect(without.control(0)).toEqual([]);
  });
});

describe('memory', () => {
  test('stays where it is while the collector runs', () => {
    const gc = collector();
    const [here, there] = unixPair();
    const batches = Array.from({ length: 50 }, () => new MessageBatch({ bytesPerMessage: 16 }));
    const garbage: unknown[] = [];
    for (let round = 0; round < 20; round += 1) {
      for (const batch of batches) {
        const text = `${round} ${Math.random()}`.slice(0, 16);
        batch.set(0, Buffer.from(text));
        for (let count = 0; count < 50; count += 1) garbage.push(new ArrayBuffer(16 + count));
        expect(sendmsg(here, batch, 0, 0)).toBe(text.length);
        batch.room(0).fill(0);
        if (batch === batches[round]) gc();
        expect(recvmsg(there, batch, 0, 0)).toBe(text.length);
        expect(batch.received(0).toString()).toBe(text);
      }
      garbage.length = 0;
    }
  });

  test('a view of it cannot be transferred away', () => {
    const batch = new MessageBatch({ bytesPerMessage: 16 });
    const { buffer } = batch.room(0);
    try {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    } catch (error) {
      // Node 21 and later say no; before, the mark was silently obeyed.
      expect((error as Error).name).toBe('DataCloneError');
    }
    expect(batch.room(0)).toHaveLength(16);
  });

  test('one that was taken away by other means is refused before C sees it', () => {
    const batch = new MessageBatch({ bytesPerMessage: 16 });
    detach(batch.room(0).buffer as ArrayBuffer);
    const calls = [
      () => sendmsg(0, batch, 0, 0),
      () => recvmsg(0, batch, 0, 0),
      () => sendmmsg(0, batch, 0, 1, 0),
      () => recvmmsg(0, batch, 1, 0),
      () => batch.received(0),
      () => batch.set(0, Buffer.alloc(1)),
    ];
    for (const call of calls) expect(call).toThrow(/"batch.byteLength"/);
  });
});

test('an unbound sender has no address, a bound one its name', () => {
  const path = `\0epoll-ffi-message-${process.pid}`;
  const there = closeLater(socket(c.AF_UNIX, DGRAM, 0));
  unwrap(bind(there, encodeUnixAddress({ path })), 'bind');
  const here = closeLater(socket(c.AF_UNIX, DGRAM, 0));
  const batch = new MessageBatch({ bytesPerMessage: 16 });
  expect(sendto(here, Buffer.from('x'), 1, 0, encodeUnixAddress({ path }))).toBe(1);
  expect(recvmsg(there, batch, 0, 0)).toBe(1);
  expect(batch.address(0)).toHaveLength(0);
  unwrap(bind(here, encodeUnixAddress({ path: `${path}-2` })), 'bind');
  expect(sendto(here, Buffer.from('x'), 1, 0, encodeUnixAddress({ path }))).toBe(1);
  expect(recvmsg(there, batch, 0, 0)).toBe(1);
  expect(decodeUnixAddress(batch.address(0))).toEqual({ family: 'unix', path: `${path}-2` });
  expect(sendto(here, Buffer.from('x'), 1, 0, encodeUnixAddress({ path: '\0nobody' }))).toBe(
    -errno.ECONNREFUSED,
  );
});

test('the same in a worker thread', async () => {
  const [here, there] = unixPair();
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const { recvmmsg, sendmmsg } = require('${ROOT}/src/sys/message');
     const { MessageBatch } = require('${ROOT}/src/sys/message-batch');
     const batch = new MessageBatch({ count: 4, bytesPerMessage: 16 });
     const received = recvmmsg(workerData, batch, 4, 0);
     const sent = sendmmsg(workerData, batch, 0, received, 0);
     parentPort.postMessage([received, sent, batch.length(1)]);`,
    { eval: true, workerData: there, execArgv: [...RUNS_TYPESCRIPT] },
  );
  put(here, 'one');
  put(here, 'three');
  expect(await next(worker, 'message')).toEqual([[2, 2, 5]]);
  expect([take(here), take(here)]).toEqual(['one', 'three']);
  await worker.terminate();
});

function collector(): () => void {
  const { setFlagsFromString } = require('node:v8') as typeof import('node:v8');
  const { runInNewContext } = require('node:vm') as typeof import('node:vm');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** Detach as V8 itself does it, past the mark of Node. */
function detach(buffer: ArrayBuffer): void {
  const { setFlagsFromString } = require('node:v8') as typeof import('node:v8');
  const { runInNewContext } = require('node:vm') as typeof import('node:vm');
  setFlagsFromString('--allow-natives-syntax');
  runInNewContext('(buffer) => %ArrayBufferDetach(buffer)')(buffer);
  setFlagsFromString('--no-allow-natives-syntax');
}
