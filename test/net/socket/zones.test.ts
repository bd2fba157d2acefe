import { readFileSync } from 'node:fs';
import { connect } from '../../../src/net/client/connect';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { encodeMembership, ipVersion } from '../../../src/sys/address';
import { IPPROTO_IPV6, IPV6_MULTICAST_IF } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { getsockopt } from '../../../src/sys/socket';
import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { IN_NAMESPACE } from '../../support/namespace';
import { testIf } from '../../support/requires';
import { next } from '../../support/until';

expectNoFdLeaks();

/** The interfaces on which this machine is in a group, which is given as /proc has it. */
function membersOf(group: string): string[] {
  const lines = readFileSync('/proc/self/net/igmp6', 'utf8').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.flatMap(([, name = '', address]) => (address === group ? [name] : []));
}

const GROUP = 'ff020000000000000000000000000077';

test('a server listens at an address with a zone', async () => {
  using server = new TcpServer({ port: 0, host: '::1%lo' });
  const accepted = next(server, 'connection');
  using client = await connect({ port: server.port, host: '::1%lo' });
  await accepted;
  expect(client.closed).toBe(false);
});

test('a zone that names no interface is an error, and so is what looks like one', () => {
  for (const host of ['fe80::1%none', 'fe80::1%0', '::%none']) {
    expect(() => new TcpServer({ port: 0, host })).toThrow(/zone is a network interface.*%/);
  }
  for (const host of ['fe80::1%', '127.0.0.1%lo', 'fe80::1%a b', '%lo', 'lo', '::1%a/b', '']) {
    expect(() => new TcpServer({ port: 0, host })).toThrow(
      /^Invalid option "host" of TcpServer: expected an IP address/,
    );
  }
});

test('a zone is any name that an interface may have', () => {
  for (const zone of ['wg_home', 'eth0.5', 'br-1', 'eth0@if3', '3']) {
    expect([zone, ipVersion(`fe80::1%${zone}`)]).toEqual([zone, 6]);
  }
  for (const zone of ['', 'a b', 'a/b', 'sixteen-letters-', 'a%b']) {
    expect([zone, ipVersion(`fe80::1%${zone}`)]).toEqual([zone, 0]);
  }
  expect(ipVersion('127.0.0.1')).toBe(4);
});

test('an IPv6 group is joined on the interface that a second zone names, as in node:dgram', () => {
  using socket = new DatagramSocket({ bind: { address: '::', port: 0 } });
  socket.joinGroup('ff02::77', '::%lo');
  expect(membersOf(GROUP)).toEqual(['lo']);
  socket.leaveGroup('ff02::77', '::%lo');
  expect(membersOf(GROUP)).toEqual([]);
  socket.joinGroup('ff02::77%lo', '::%lo');
  socket.leaveGroup('ff02::77%lo');
  expect(membersOf(GROUP)).toEqual([]);
});

test('what names no interface of IPv6 joins nothing', () => {
  using socket = new DatagramSocket({ bind: { address: '::', port: 0 } });
  for (const wrong of ['::%none', '::1', 'fe80::1', '127.0.0.1', '0.0.0.0', 'lo', '']) {
    expect(() => socket.joinGroup('ff02::77', wrong)).toThrow(/"interfaceAddress"/);
  }
  expect(() => socket.joinGroup('ff02::77', 5 as never)).toThrow(TypeError);
  expect(() => socket.joinGroup('ff02::77%none', '::%lo')).toThrow(RangeError);
  expect(() => socket.joinGroup('ff02::77%lo', '::%4000000')).toThrow(/the interface of the group/);
  expect(() => encodeMembership('239.1.2.3', '::%lo')).toThrow(/"interfaceAddress"/);
  expect(membersOf(GROUP)).toEqual([]);
});

test('messages to IPv6 groups leave by the interface that a zone names', () => {
  using socket = new DatagramSocket({ family: 'IPv6' });
  const index = new Int32Array(1);
  const interfaceOf = (): number | undefined => {
    unwrap(getsockopt(socket.fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index), 'getsockopt');
    return index[0];
  };
  socket.setMulticastInterface('::%lo');
  expect(interfaceOf()).toBe(1);
  for (const wrong of ['::%none', '::1', 'lo', '']) {
    expect(() => socket.setMulticastInterface(wrong)).toThrow(/"interfaceAddress"/);
  }
  expect(interfaceOf()).toBe(1);
  socket.setMulticastInterface('::');
  expect(interfaceOf()).toBe(0);
});

testIf(IN_NAMESPACE !== null, 'network namespaces')(
  'link-local addresses, on an interface with an underscore in its name',
  async () => {
    const child = runTs('test/net/programs/zones-namespace.ts', { command: IN_NAMESPACE ?? [] });
    expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
    expect(JSON.parse(child.stdout)).toEqual({
      address: 'fe80::1%wg_home',
      remote: 'fe80::1%wg_home',
      family: 'IPv6',
      members: ['wg_home'],
    });
  },
);
