/**
 * Clients that never read; run by never-reading.test.ts. They are bare sockets with a small receive
 * buffer, which nobody watches. Arguments: the port, how many, and how many of these are greedy.
 * Prints `connected`, and stays until the end of stdin.
 */
import { setSocketOption } from '../../../src/net/socket/options';
import { encodeAddress } from '../../../src/sys/address';
import { AF_INET, SOCK_CLOEXEC, SOCK_STREAM } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { write } from '../../../src/sys/io';
import { connect, socket } from '../../../src/sys/socket';

const [port = 0, count = 0, greedy = 0] = process.argv.slice(2).map(Number);
const address = encodeAddress({ address: '127.0.0.1', port });
for (let index = 0; index < count; index += 1) {
  const fd = unwrap(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  setSocketOption(fd, 'receiveBufferBytes', 4_096);
  unwrap(connect(fd, address), 'connect');
  unwrap(write(fd, Buffer.from(index < greedy ? 'more' : 'some')), 'write');
}
console.log('connected');
process.stdin.resume().on('end', () => process.exit());
