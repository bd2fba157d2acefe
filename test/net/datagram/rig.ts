/** Datagram sockets that are closed after the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatagramSocketOptions } from '../../../src/net/datagram/options';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import type { SocketAddress } from '../../../src/sys/address';

export const LOCAL = { address: '127.0.0.1', port: 0 };
const sockets: DatagramSocket[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const one of sockets.splice(0)) one.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

export function open(options: DatagramSocketOptions = { bind: LOCAL }): DatagramSocket {
  const one = new DatagramSocket(options);
  sockets.push(one);
  return one;
}

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  folders.push(made);
  return made;
}

/** The texts of the messages as they come. */
export function collect(one: DatagramSocket): string[] {
  const texts: string[] = [];
  one.on('message', (bytes) => texts.push(bytes.toString()));
  return texts;
}

export const here = (one: DatagramSocket): SocketAddress => one.address as SocketAddress;
let names = 0;

export const abstract = (): string => {
  names += 1;
  return `\0epoll-ffi-${process.pid}-${names}`;
};
