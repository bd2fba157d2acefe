import {
  addressNetwork,
  decodeAddress,
  encodeAddress,
  encodeMembership,
} from '../../src/sys/address';
import { AF_INET, AF_INET6 } from '../../src/sys/constants';

test.each([
  ['0.0.0.0', 0],
  ['127.0.0.1', 8080],
  ['255.255.255.255', 65_535],
  ['::', 0],
  ['::1', 443],
  ['2001:db8::8a2e:370:7334', 1],
  ['::ffff:192.0.2.1', 80],
  ['fe80::1%lo', 9],
])('%s port %d comes back as it went in', (address, port) => {
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  expect(decodeAddress(encodeAddress({ address, port }))).toEqual({ family, address, port });
});

test('the bytes are those of sockaddr_in and sockaddr_in6', () => {
  const v4 = encodeAddress({ address: '192.0.2.33', port: 0x1234 });
  expect([...v4]).toEqual([AF_INET, 0, 0x12, 0x34, 192, 0, 2, 33, 0, 0, 0, 0, 0, 0, 0, 0]);
  const v6 = encodeAddress({ address: '2001:db8::5', port: 0x1234 });
  expect(v6).toHaveLength(28);
  expect([...v6.subarray(0, 12)]).toEqual([
    AF_INET6,
    0,
    0x12,
    0x34,
    0,
    0,
    0,
    0,
    0x20,
    1,
    0x0d,
    0xb8,
  ]);
  expect(v6[23]).toBe(5);
});

test('text is printed in the canonical form', () => {
  const long = encodeAddress({ address: '2001:0DB8:0000:0000:0000:0000:0000:0001', port: 1 });
  expect(decodeAddress(long)?.address).toBe('2001:db8::1');
});

test('a zone may be the number of an interface', () => {
  expect(decodeAddress(encodeAddress({ address: 'fe80::1%1', port: 1 }))?.address).toBe(
    'fe80::1%lo',
  );
});

test.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '::g', '1.2.3.4\0', 'fe80::1%nosuchif', '::1%0'])(
  '%j is refused',
  (address) => {
    expect(() => encodeAddress({ address, port: 1 })).toThrow(RangeError);
  },
);

test('other families and short bytes are null', () => {
  expect(decodeAddress(new Uint8Array(0))).toBeNull();
  expect(decodeAddress(Uint8Array.of(1, 0, 47))).toBeNull();
  expect(decodeAddress(new Uint8Array(128).fill(1))).toBeNull();
  const v6 = encodeAddress({ address: '::1', port: 1 });
  expect(decodeAddress(v6.subarray(0, 20))).toBeNull();
});

test('memberships are those of ip_mreq and ipv6_mreq', () => {
  expect([...encodeMembership('239.1.2.3')]).toEqual([239, 1, 2, 3, 0, 0, 0, 0]);
  expect([...encodeMembership('239.1.2.3', '127.0.0.1')]).toEqual([239, 1, 2, 3, 127, 0, 0, 1]);
  const v6 = encodeMembership('ff02::77%lo');
  expect(v6).toHaveLength(20);
  expect([v6[0], v6[1], v6[15], v6[16]]).toEqual([0xff, 2, 0x77, 1]);
  expect(() => encodeMembership('239.1.2.3', '::1')).toThrow(/"interfaceAddress"/);
  expect(() => encodeMembership('239.1.2.3', Symbol('x') as never)).toThrow(TypeError);
});

test('the network of an address: IPv4 whole, also when mapped, and IPv6 by its /64', () => {
  const network = (address: string): unknown => addressNetwork(encodeAddress({ address, port: 9 }));
  expect(network('192.0.2.1')).toBe(0xc0000201);
  expect(network('::ffff:192.0.2.1')).toBe(0xc0000201);
  expect(network('2001:db8:1:2::1')).toBe(0x20010db800010002n);
  expect(network('2001:db8:1:2:ffff::9')).toBe(network('2001:db8:1:2::1'));
  expect(network('2001:db8:1:3::1')).not.toBe(network('2001:db8:1:2::1'));
  expect(network('::1')).toBe(0n);
  expect(addressNetwork(new Uint8Array(0))).toBeNull();
  expect(addressNetwork(new Uint8Array(128).fill(1))).toBeNull();
});
