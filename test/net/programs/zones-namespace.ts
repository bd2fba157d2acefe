/**
 * Link-local addresses of an interface, in a network namespace made for it; run by zones.test.ts.
 * Prints what came of it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from '../../../src/net/client/connect';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';

const ip = (...words: string[]): void => void execFileSync('ip', words);

ip('link', 'add', 'wg_home', 'type', 'veth', 'peer', 'name', 'other');
ip('link', 'set', 'lo', 'up');
ip('link', 'set', 'other', 'up');
ip('link', 'set', 'wg_home', 'up');
ip('-6', 'addr', 'add', 'fe80::1/64', 'dev', 'wg_home', 'nodad');

async function main(): Promise<void> {
  const host = 'fe80::1%wg_home';
  using server = new TcpServer({ port: 0, host });
  using client = await connect({ host, port: server.port, localAddress: host });
  using group = new DatagramSocket({ bind: { address: '::', port: 0 } });
  group.joinGroup('ff02::77', '::%wg_home');
  const lines = readFileSync('/proc/self/net/igmp6', 'utf8').split('\n');
  const members = lines.filter((line) => line.includes('ff020000000000000000000000000077'));
  const stream = new FdDuplex(client);
  const { remoteFamily: family, remoteAddress: remote } = stream;
  const { address } = server.address;
  const names = members.map((line) => line.trim().split(/\s+/)[1]);
  console.log(JSON.stringify({ address, remote, family, members: names }));
  stream.destroy();
}

void main();
