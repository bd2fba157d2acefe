/** Short writes of a stream go out together, straight from strings: that the bytes are the right ones. */
import { randomBytes } from 'node:crypto';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { clog, connected } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';

expectNoFdLeaks();

const UNICODE = 'zwölf 漢字 🎣';

interface Written {
  data: string | Buffer;
  encoding?: BufferEncoding;
}

function bytesOf({ data, encoding }: Written): Buffer {
  return typeof data === 'string' ? Buffer.from(data, encoding) : data;
}

async function send(writes: readonly Written[], isClogged = false): Promise<Buffer> {
  const { connection, peer } = await connected();
  const ahead = isClogged ? clog(connection) : 0;
  const stream = new FdDuplex(connection);
  stream.cork();
  for (const { data, encoding } of writes) stream.write(data, encoding ?? 'utf8');
  stream.uncork();
  stream.end();
  const received: Buffer[] = [];
  for await (const chunk of peer) received.push(chunk as Buffer);
  return Buffer.concat(received).subarray(ahead);
}

const CASES: [string, Written[]][] = [
  [
    'one string of each encoding',
    [
      { data: UNICODE },
      { data: UNICODE, encoding: 'utf16le' },
      { data: 'Ärger', encoding: 'latin1' },
      { data: 'ascii', encoding: 'ascii' },
      { data: '00ff10', encoding: 'hex' },
      { data: 'aGVsbG8=', encoding: 'base64' },
      { data: 'aGVsbG8', encoding: 'base64url' },
    ],
  ],
  ['strings and bytes in turn', [{ data: 'a' }, { data: Buffer.from('b') }, { data: UNICODE }]],
  ['empty ones between', [{ data: '' }, { data: Buffer.alloc(0) }, { data: 'x' }, { data: '' }]],
  ['nothing but empty ones', [{ data: '' }, { data: '' }]],
  ['as much as fits', [{ data: randomBytes(16 * 1024) }]],
  ['one byte more', [{ data: randomBytes(16 * 1024) }, { data: 'x' }]],
  ['a string that may not fit', [{ data: 'head' }, { data: 'ü'.repeat(6_000) }]],
  ['a long string of two-byte units', [{ data: UNICODE.repeat(3_000), encoding: 'utf16le' }]],
];

test.each(CASES)('%s', async (_name, writes) => {
  const wanted = Buffer.concat(writes.map(bytesOf));
  expect((await send(writes)).equals(wanted)).toBe(true);
});

test.each(CASES)('%s, behind what waits', async (_name, writes) => {
  const wanted = Buffer.concat(writes.map(bytesOf));
  expect((await send(writes, true)).equals(wanted)).toBe(true);
});

test('what the kernel does not take is kept, and not overwritten by the next stream', async () => {
  const one = await connected();
  const other = await connected();
  const first = new FdDuplex(one.connection);
  const second = new FdDuplex(other.connection);
  other.peer.resume();
  let sent = 0;
  // Until a short write has to wait.
  for (let letter = 0; one.connection.queuedBytes === 0; letter = (letter + 1) % 26) {
    first.write(String.fromCharCode(97 + letter).repeat(5_000));
    second.write('#'.repeat(5_000));
    sent += 5_000;
    // A stream hands a write on when the one before is done.
    await new Promise(setImmediate);
  }
  first.end();
  second.destroy();
  let at = 0;
  const received: Buffer[] = [];
  for await (const chunk of one.peer) received.push(chunk as Buffer);
  const bytes = Buffer.concat(received);
  expect(bytes.length).toBe(sent);
  for (; at < sent; at += 5_000) {
    const letter = String.fromCharCode(97 + ((at / 5_000) % 26));
    expect(bytes.toString('latin1', at, at + 5_000) === letter.repeat(5_000)).toBe(true);
  }
});
