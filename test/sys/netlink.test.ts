import {
  decodeRouteMessages,
  encodeDumpRequest,
  encodeNetlinkAddress,
  type LinkMessage,
} from '../../src/sys/netlink';
import { random, setSeed } from '../support/storm-random';

/** One attribute: u16 length, u16 type, value, padding. */
function attribute(type: number, value: Buffer, length = value.length + 4): Buffer {
  const bytes = Buffer.alloc(4 + ((value.length + 3) & ~3));
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** One message with its header. */
function message(type: number, body: Buffer, length = 16 + body.length): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt32LE(7, 8);
  return Buffer.concat([head, body]);
}

const linkBody = Buffer.alloc(16);
linkBody.writeInt32LE(5, 4);
linkBody.writeUInt32LE(0x41, 8);
const name = attribute(3, Buffer.from('eth0\0'));
const mac = attribute(1, Buffer.from([2, 0, 0, 0, 0, 0xfe]));
const link = message(16, Buffer.concat([linkBody, name, mac]));
const addressBody = Buffer.from([10, 64, 0, 0, 5, 0, 0, 0]);
const address = message(20, Buffer.concat([addressBody, attribute(1, Buffer.alloc(16, 1))]));
const done = message(3, Buffer.alloc(4));

test('several messages in one datagram', () => {
  const all = Buffer.concat([link, address, message(99, Buffer.alloc(8)), done]);
  expect(decodeRouteMessages(all, all.length)).toEqual([
    {
      type: 'link',
      isGone: false,
      index: 5,
      name: 'eth0',
      up: true,
      running: true,
      flags: 0x41,
      mtu: 0,
      address: '02:00:00:00:00:fe',
      isDump: false,
      isInterrupted: false,
      sequence: 7,
    },
    expect.objectContaining({
      type: 'address',
      index: 5,
      family: 'IPv6',
      address: '101:101:101:101:101:101:101:101',
      prefixLength: 64,
    }),
    expect.objectContaining({ type: 'end', errno: 0 }),
  ]);
});

test('cut at any byte, nothing is made up', () => {
  const all = Buffer.concat([link, done]);
  for (let length = 0; length <= all.length; length += 1) {
    const expected = (length >= link.length ? 1 : 0) + (length === all.length ? 1 : 0);
    expect(decodeRouteMessages(all, length)).toHaveLength(expected);
  }
});

test('lengths that lie: of messages, of attributes, of values', () => {
  const decode = (bytes: Buffer): unknown[] => decodeRouteMessages(bytes, bytes.length);
  for (const length of [0, 15, link.length + 1, 0xffff_ffff]) {
    expect(decode(message(16, linkBody, length))).toEqual([]);
  }
  expect(decode(message(16, Buffer.alloc(15)))).toEqual([]);
  for (const length of [0, 3, 10, 0xffff]) {
    const body = Buffer.concat([linkBody, attribute(3, Buffer.from('eth0'), length)]);
    expect((decode(message(16, body)) as LinkMessage[])[0]?.name).toBe('');
  }
  const shortMtu = Buffer.concat([linkBody, attribute(4, Buffer.from([1, 2]))]);
  expect((decode(message(16, shortMtu)) as LinkMessage[])[0]?.mtu).toBe(0);
  const shortAddress = Buffer.concat([addressBody, attribute(1, Buffer.alloc(4))]);
  expect(decode(message(20, shortAddress))).toEqual([]);
  expect(decode(message(2, Buffer.alloc(0)))).toMatchObject([{ type: 'end', errno: 0 }]);
  const bridge = Buffer.from(linkBody);
  bridge[0] = 7;
  expect(decode(message(17, bridge))).toEqual([]);
});

test('any bytes are stood', () => {
  setSeed(11);
  const all = Buffer.concat([link, address, done]);
  for (let round = 0; round < 20_000; round += 1) {
    const junk = Buffer.from(all);
    for (let count = 1 + random(8); count > 0; count -= 1) junk[random(junk.length)] = random(256);
    expect(decodeRouteMessages(junk, random(junk.length + 1)).length).toBeLessThanOrEqual(9);
  }
});

test('requests and the address are what the kernel reads', () => {
  expect(Buffer.from(encodeNetlinkAddress(0x111)).toString('hex')).toBe('100000000000000011010000');
  expect(Buffer.from(encodeDumpRequest(18, 9)).toString('hex')).toBe(
    `20000000120001030900000000000000${'00'.repeat(16)}`,
  );
});
