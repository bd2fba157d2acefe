/**
 * sendfile moves the offset, and a program that moves it again loses parts of the file.
 *
 * With `null` for the offset, sendfile(2) reads from the file's own position and advances it by the sent
 * bytes. A sender that then seeks by the same number skips that many bytes, each time. With an offset of
 * our own, the file's position does not move, and we add up the sent bytes.
 *
 *   run    npx ts-node examples/sendfile-offset.ts
 *   see    the 26 letters, five at a time: moved twice, every second five are lost; then both right
 *          ways, and the file's own position after each
 */
import { closeSync, writeSync } from 'node:fs';
import { constants, sys } from '../src';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';
const PART = 5;
const { AF_UNIX, MFD_CLOEXEC, SEEK_CUR, SEEK_SET, SOCK_CLOEXEC, SOCK_STREAM } = constants;

const file = sys.unwrap(sys.memfdCreate('alphabet', MFD_CLOEXEC), 'memfd_create');
writeSync(file, ALPHABET);
const pair = new Int32Array(2);
sys.unwrap(sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 'socketpair');
const [sender, receiver] = pair as unknown as [number, number];
const position = (): number => sys.lseek(file, 0, SEEK_CUR);

/** Send the file in parts with `sendPart`, and show the received bytes. */
function show(name: string, sendPart: () => number): void {
  sys.lseek(file, 0, SEEK_SET);
  let sent = 0;
  for (let count = sendPart(); count > 0; count = sendPart()) sent += count;
  const buffer = Buffer.alloc(ALPHABET.length);
  const text = buffer.toString('latin1', 0, sys.read(receiver, buffer));
  console.log(`${name}: ${text}, ${ALPHABET.length - sent} lost, position ${position()}`);
}

show('moved twice', () => {
  const count = sys.sendfile(sender, file, null, PART);
  sys.lseek(file, Math.max(count, 0), SEEK_CUR);
  return count;
});

show('moved by sendfile', () => sys.sendfile(sender, file, null, PART));

let offset = 0;
show('with our own offset', () => {
  const count = sys.sendfile(sender, file, offset, PART);
  offset += Math.max(count, 0);
  return count;
});

for (const fd of [file, sender, receiver]) closeSync(fd);
