import { randomBytes } from 'node:crypto';
import { ViewCache } from '../../src/bytes/view-cache';
import { FrameDecoder, type FrameSink, type FrameViolation } from '../../src/ws/frame-decoder';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  closeFrame,
  PING,
  PONG,
  TEXT,
} from '../support/ws-frames';

const LIMITS = { maxMessageBytes: 1_000_000, maxFragments: 16 };

class Recorder implements FrameSink {
  readonly log: string[] = [];
  onMessage(data: Buffer, isBinary: boolean): void {
    this.log.push(isBinary ? `binary ${data.toString('hex')}` : `text ${data}`);
  }
  onPing(data: Buffer): void {
    this.log.push(`ping ${data}`);
  }
  onPong(data: Buffer): void {
    this.log.push(`pong ${data}`);
  }
  onCloseFrame(code: number, reason: string): void {
    this.log.push(`close ${code} ${reason}`);
  }
}

/** Decode `bytes`, cut into pieces of `size`. */
function decode(
  bytes: Buffer,
  { size = bytes.length, limits = LIMITS } = {},
): { log: string[]; violation: FrameViolation | null; consumed: number } {
  const decoder = new FrameDecoder(limits);
  const sink = new Recorder();
  for (let at = 0; at < bytes.length; at += size) {
    // A copy: decoding unmasks in place.
    const violation = decoder.push(Buffer.from(bytes.subarray(at, at + size)), sink);
    if (violation !== null) return { log: sink.log, violation, consumed: at + size };
  }
  return { log: sink.log, violation: null, consumed: bytes.length };
}

const LONG = 'ü€😀 and so on. '.repeat(10_000);

describe.each([1, 2, 3, 5, 7, 13, 64, 1_000, Infinity])('in pieces of %d bytes', (size) => {
  test('messages of every kind and length come out in order', () => {
    const lengths =
      size < 5 ? [0, 1, 125, 126, 300] : [0, 1, 2, 3, 4, 5, 31, 32, 33, 125, 126, 65_535, 65_536];
    const expected: string[] = [];
    const frames = lengths.flatMap((length) => {
      const bytes = randomBytes(length);
      expected.push(`binary ${bytes.toString('hex')}`, `text ${'x'.repeat(length)}`);
      return [clientFrame(BINARY, bytes), clientFrame(TEXT, 'x'.repeat(length))];
    });
    expect(decode(Buffer.concat(frames), { size })).toMatchObject({
      log: expected,
      violation: null,
    });
  });

  test('fragments are joined, and control frames between them are handled at once', () => {
    const frames = [
      clientFrame(TEXT, 'Grü', { final: false }),
      clientFrame(PING, 'are you there'),
      clientFrame(CONTINUATION, '', { final: false }),
      clientFrame(PONG, 'yes'),
      clientFrame(CONTINUATION, 'ße'),
      clientFrame(BINARY, Buffer.from([1]), { final: false }),
      clientFrame(CONTINUATION, Buffer.from([2])),
      closeFrame(4_000, 'höflich'),
      clientFrame(TEXT, 'ignored'),
    ];
    expect(decode(Buffer.concat(frames), { size })).toMatchObject({
      log: ['ping are you there', 'pong yes', 'text Grüße', 'binary 0102', 'close 4000 höflich'],
      violation: null,
    });
  });

  test('characters may be cut by frames and by pieces', () => {
    const bytes = Buffer.from(size < 5 ? LONG.slice(0, 500) : LONG);
    const cuts = [1, 2, 3, 5, 11, bytes.length - 1];
    let from = 0;
    const frames = cuts.map((to, index) => {
      const part = bytes.subarray(from, to);
      from = to;
      return clientFrame(index === 0 ? TEXT : CONTINUATION, part, { final: false });
    });
    frames.push(clientFrame(CONTINUATION, bytes.subarray(from)));
    expect(decode(Buffer.concat(frames), { size })).toEqual({
      log: [`text ${bytes}`],
      violation: null,
      consumed: expect.any(Number),
    });
  });
});

test('random bytes in random pieces never throw', () => {
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = randomBytes(200);
    // Half of them begin like a frame.
    if (round % 2 === 0) bytes.writeUInt16BE(0x8180 + (round % 126), 0);
    decode(bytes, { size: 1 + (round % 50) });
  }
});

test('a frame made from valid ones by one wrong bit is decoded or refused, never thrown at', () => {
  const frames = Buffer.concat([
    clientFrame(TEXT, 'hello', { final: false }),
    clientFrame(CONTINUATION, ' world'),
    clientFrame(PING, 'x'),
    clientFrame(BINARY, randomBytes(200)),
    closeFrame(1000, 'bye'),
  ]);
  for (let bit = 0; bit < frames.length * 8; bit += 1) {
    const broken = Buffer.from(frames);
    broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7));
    const { violation } = decode(broken, { size: 1 + (bit % 17) });
    if (violation !== null) expect([1002, 1007, 1008, 1009]).toContain(violation.code);
  }
});

describe('what is refused', () => {
  const head = (...bytes: number[]): Buffer => Buffer.from(bytes);
  test.each<[string, Buffer, number, RegExp]>([
    ['an unmasked frame', clientFrame(TEXT, 'x', { masked: false }), 1002, /mask/],
    ['a reserved bit', clientFrame(TEXT, 'x', { reserved: 4 }), 1002, /reserved/],
    ['an unknown data opcode', clientFrame(3, 'x'), 1002, /opcode 3/],
    ['an unknown control opcode', clientFrame(11, 'x'), 1002, /opcode 11/],
    ['a fragmented control frame', clientFrame(PING, 'x', { final: false }), 1002, /fragmented/],
    ['a control frame of 126 bytes', clientFrame(PING, 'x'.repeat(126)), 1002, /too long/],
    ['a continuation of nothing', clientFrame(CONTINUATION, 'x'), 1002, /without a message/],
    [
      'a message within a message',
      Buffer.concat([clientFrame(TEXT, 'x', { final: false }), clientFrame(TEXT, 'y')]),
      1002,
      /before the end/,
    ],
    ['a close frame with half a code', clientFrame(CLOSE, 'x'), 1002, /half a code/],
    ['a close code that is not for sending', closeFrame(1005), 1002, /1005/],
    ['a close code out of range', closeFrame(999), 1002, /999/],
    ['a close code that is not registered', closeFrame(2999), 1002, /2999/],
    [
      'a close reason that is not UTF-8',
      clientFrame(CLOSE, Buffer.from([3, 232, 0xff])),
      1007,
      /UTF-8/,
    ],
    ['a text that is not UTF-8', clientFrame(TEXT, Buffer.from([0x61, 0xc0, 0xaf])), 1007, /UTF-8/],
    ['a long text that is not UTF-8', clientFrame(TEXT, Buffer.alloc(500, 0xff)), 1007, /UTF-8/],
    [
      'a text that ends in a character',
      clientFrame(TEXT, Buffer.from([0xe2, 0x82])),
      1007,
      /UTF-8/,
    ],
    [
      'a fragmented text that ends in a character',
      Buffer.concat([
        clientFrame(TEXT, Buffer.from([0xe2]), { final: false }),
        clientFrame(CONTINUATION, Buffer.from([0x82])),
      ]),
      1007,
      /UTF-8/,
    ],
    // The head alone is enough: the payload is not waited for.
    [
      'a message past the limit',
      head(0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x41, 1, 2, 3, 4),
      1009,
      /longer/,
    ],
    ['a length of 2**63', head(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4), 1009, /longer/],
  ])('%s', (_name, bytes, code, reason) => {
    for (const size of [1, Infinity]) {
      const { violation } = decode(bytes, { size });
      expect(violation).toEqual({ code, reason: expect.stringMatching(reason) });
    }
  });

  test('a message at the limit is taken, and one byte more is not', () => {
    const limits = { ...LIMITS, maxMessageBytes: 1_000 };
    expect(decode(clientFrame(TEXT, 'x'.repeat(1_000)), { limits }).violation).toBeNull();
    expect(decode(clientFrame(TEXT, 'x'.repeat(1_001)), { limits }).violation?.code).toBe(1009);
    const fragments = (last: number): Buffer =>
      Buffer.concat([
        clientFrame(TEXT, 'x'.repeat(999), { final: false }),
        clientFrame(CONTINUATION, 'x'.repeat(last)),
      ]);
    expect(decode(fragments(1), { limits }).violation).toBeNull();
    expect(decode(fragments(2), { limits }).violation?.code).toBe(1009);
  });

  test('as many fragments as allowed are taken, and one more is not', () => {
    const message = (count: number): Buffer =>
      Buffer.concat(
        Array.from({ length: count }, (_, index) =>
          clientFrame(index === 0 ? TEXT : CONTINUATION, '', { final: index === count - 1 }),
        ),
      );
    expect(decode(Buffer.concat([message(16), message(16)])).log).toEqual(['text ', 'text ']);
    expect(decode(message(17)).violation?.code).toBe(1008);
  });

  test('a text at the first byte that cannot be right, although the frame goes on', () => {
    const bad = Buffer.from([0x48, 0xe2, 0x28, ...Buffer.alloc(1_000, 0x41)]);
    const frame = clientFrame(TEXT, bad);
    const { violation, consumed } = decode(frame, { size: 1 });
    expect(violation?.code).toBe(1007);
    // The head is 8 bytes, the wrong byte the third of the payload.
    expect(consumed).toBe(8 + 3);
  });

  test('after a violation nothing more is decoded', () => {
    const decoder = new FrameDecoder(LIMITS);
    const sink = new Recorder();
    expect(decoder.push(clientFrame(3), sink)?.code).toBe(1002);
    expect(decoder.push(clientFrame(TEXT, 'x'), sink)).toBeNull();
    expect(sink.log).toEqual([]);
  });
});

test('a sink may stop the decoder between two messages', () => {
  const decoder = new FrameDecoder(LIMITS);
  const log: string[] = [];
  const sink = new Recorder();
  sink.onMessage = (data) => {
    log.push(data.toString());
    decoder.stop();
  };
  decoder.push(Buffer.concat([clientFrame(TEXT, 'first'), clientFrame(TEXT, 'second')]), sink);
  expect(log).toEqual(['first']);
});

test('a close frame without a code is 1005', () => {
  expect(decode(clientFrame(CLOSE)).log).toEqual(['close 1005 ']);
});

test('a whole message is a view of what was pushed, and a cut one is a copy', () => {
  const decoder = new FrameDecoder(LIMITS);
  const seen: Buffer[] = [];
  const sink = new Recorder();
  sink.onMessage = (data) => seen.push(data);
  const buffer = Buffer.alloc(1_024);
  const frame = clientFrame(BINARY, randomBytes(100));
  frame.copy(buffer);
  decoder.push(buffer.subarray(0, frame.length), sink, new ViewCache(buffer));
  decoder.push(Buffer.from(frame.subarray(0, 50)), sink);
  decoder.push(Buffer.from(frame.subarray(50)), sink);
  expect(seen[0]?.buffer).toBe(buffer.buffer);
  expect(seen[1]?.equals(seen[0] as Buffer)).toBe(true);
});

test('memory grows with what has come, not with what was announced', () => {
  const limits = { maxMessageBytes: 1 << 30, maxFragments: 16 };
  const announced = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1]);
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 1_000 }, () => {
    const decoder = new FrameDecoder(limits);
    expect(decoder.push(Buffer.from(announced), new Recorder())).toBeNull();
    return decoder;
  });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  expect(decoders).toHaveLength(1_000);
});
