/**
 * Idle connections: for each line with a number on stdin, opens or closes until there are so many,
 * with one message echoed over each new one, and prints a line.
 */
import { createInterface } from 'node:readline';
import { sys } from '../../../src';

const { AF_INET, MSG_NOSIGNAL, SOCK_STREAM } = sys.constants;
const address = sys.encodeAddress({ address: '127.0.0.1', port: Number(process.argv[2]) });
const message = new Uint8Array(64);
const fds: number[] = [];

function dial(): number {
  const fd = sys.unwrap(sys.socket(AF_INET, SOCK_STREAM, 0), 'socket');
  sys.unwrap(sys.connect(fd, address), 'connect');
  sys.unwrap(sys.send(fd, message, message.byteLength, MSG_NOSIGNAL), 'send');
  for (let received = 0; received < message.byteLength; ) {
    const count = sys.unwrap(sys.recv(fd, message, message.byteLength - received, 0), 'recv');
    if (count === 0) throw new Error('the server closed a connection');
    received += count;
  }
  return fd;
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const wanted = Number(line);
  while (fds.length < wanted) fds.push(dial());
  for (const fd of fds.splice(wanted)) sys.close(fd);
  console.log(`${fds.length} connections`);
});
