/**
 * The clients of the soak, in a process that is forked by main.ts. They are of node:net: the other
 * side of our servers is never our own code. Each connection behaves in one of the ways below; what
 * it gets is checked where there is something to get.
 */
import { readFileSync } from 'node:fs';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { Random } from '../support/random';
import { clientFrame, closeFrame, TEXT, UPGRADE_REQUEST } from '../support/ws-frames';
import { type Order, type Places, type Progress, STEADY_BYTES } from './messages';

/** What the server sends parts of. */
const SCRIPT = readFileSync(join(__dirname, 'server.ts'));
const SLOW_MS = 20;
/** Between two chunks, of 64 KiB at most: far less than the write deadline, and all of them far more. */
const STEADY_PAUSE_MS = 200;
/** Longer than the write deadline of the server, and its idle deadline. */
const PATIENCE_MS = 3_000;
/** Nobody waits so long for an answer, whatever the machine has to do. */
const GIVE_UP_MS = 120_000;

let progress: Progress = { finished: false, done: {}, wrong: {} };
let random = new Random(1);
let places: Places;

/** One connection of a client: what was received, and waiting for more of it. */
class Peer {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #notify: () => void = () => {};

  constructor(options: NetConnectOpts) {
    this.socket = connect(options);
    this.socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#notify();
    });
    // A reset is told by `close` as well.
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#closed = true;
      this.#notify();
    });
  }

  /** The bytes up to what `isEnough` finds enough. */
  async get(isEnough: (received: Buffer) => boolean): Promise<Buffer> {
    while (!isEnough(this.#received)) {
      if (this.#closed) throw new Error('closed early');
      await this.#change();
    }
    const received = this.#received;
    this.#received = Buffer.alloc(0);
    return received;
  }

  async echoes(bytes: Buffer): Promise<void> {
    this.socket.write(bytes);
    const answer = await this.get(({ length }) => length >= bytes.length);
    if (!answer.equals(bytes)) throw new Error('another echo');
  }

  /** Wait until the connection is closed. */
  async closed(): Promise<void> {
    while (!this.#closed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), GIVE_UP_MS);
      this.#notify = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Client addresses beside 127.0.0.1, as one has no more than 28,000 ports for one server. */
function dial(port: number): Peer {
  const localAddress = `127.0.0.${2 + random.below(200)}`;
  return new Peer({ port, host: '127.0.0.1', localAddress });
}

const echoing = (): Peer => dial(random.onceIn(2) ? places.level : places.edge);
const wait = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs));
const bytes = (): Buffer => Buffer.alloc(1 + random.below(2_000), random.below(256));

/** Talk, then part as clients do. */
async function talk(peer: Peer): Promise<void> {
  for (let count = 1 + random.below(4); count > 0; count -= 1) await peer.echoes(bytes());
  peer.socket.end();
  await peer.closed();
}

async function upgraded(): Promise<Peer> {
  const peer = dial(places.webSocket);
  peer.socket.write(UPGRADE_REQUEST);
  const head = await peer.get((received) => received.includes('\r\n\r\n'));
  if (!head.toString().startsWith('HTTP/1.1 101 ')) throw new Error('no upgrade');
  return peer;
}

/** Its verdict takes a while. */
const SLOW_UPGRADE_REQUEST = UPGRADE_REQUEST.replace('GET /', 'GET /slow');

/** Leave in one of three ways. */
function leave({ socket }: Peer): void {
  const way = random.below(3);
  if (way === 0) socket.end();
  else if (way === 1) socket.resetAndDestroy();
  else socket.destroy();
}

/** What a connection may do, and how many of a thousand do so. */
const BEHAVIOURS: Record<string, { share: number; run: () => Promise<void> }> = {
  echo: { share: 226, run: () => talk(echoing()) },
  unix: { share: 80, run: () => talk(new Peer({ path: places.unix })) },
  halfClose: {
    share: 150,
    async run() {
      const peer = echoing();
      const sent = bytes();
      peer.socket.end(sent);
      const answer = await peer.get(({ length }) => length >= sent.length);
      if (!answer.equals(sent)) throw new Error('another echo');
      await peer.closed();
    },
  },
  reset: {
    share: 200,
    async run() {
      const peer = echoing();
      if (random.onceIn(2)) await peer.echoes(bytes());
      else await new Promise((resolve) => peer.socket.once('connect', resolve));
      peer.socket.write(bytes());
      peer.socket.resetAndDestroy();
      await peer.closed();
    },
  },
  neverReads: {
    share: 4,
    async run() {
      const { socket } = dial(places.source);
      socket.pause();
      await wait(PATIENCE_MS);
      socket.destroy();
    },
  },
  steadyReader: {
    share: 4,
    async run() {
      const { socket } = dial(places.steady);
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      let received = 0;
      // No more is asked of the kernel than is read here, and that is little at a time.
      for await (const chunk of socket) {
        received += (chunk as Buffer).length;
        await wait(STEADY_PAUSE_MS);
      }
      await closed;
      if (received !== STEADY_BYTES) throw new Error('cut, though it read');
    },
  },
  slow: {
    share: 20,
    async run() {
      const peer = echoing();
      for (let count = 0; count < 10; count += 1) {
        await peer.echoes(Buffer.of(count));
        await wait(SLOW_MS);
      }
      peer.socket.end();
      await peer.closed();
    },
  },
  silent: { share: 4, run: () => echoing().closed() },
  webSocket: {
    share: 100,
    async run() {
      const peer = await upgraded();
      const text = 'x'.repeat(1 + random.below(1_000));
      peer.socket.write(clientFrame(TEXT, text));
      await peer.get((received) => received.includes(text));
      peer.socket.write(closeFrame(1000));
      await peer.closed();
    },
  },
  upgradeLeft: {
    share: 20,
    async run() {
      const peer = dial(places.webSocket);
      peer.socket.write(random.onceIn(2) ? UPGRADE_REQUEST : SLOW_UPGRADE_REQUEST);
      if (random.onceIn(2)) await new Promise((resolve) => peer.socket.once('connect', resolve));
      leave(peer);
      await peer.closed();
    },
  },
  halfFrame: {
    share: 60,
    async run() {
      const peer = await upgraded();
      const frame = clientFrame(TEXT, 'x'.repeat(200));
      peer.socket.write(frame.subarray(0, random.below(frame.length)));
      leave(peer);
      await peer.closed();
    },
  },
  http: {
    share: 40,
    async run() {
      const peer = dial(places.http);
      for (let count = 1 + random.below(3); count > 0; count -= 1) {
        peer.socket.write(`GET /${count} HTTP/1.1\r\nHost: x\r\n\r\n`);
        await peer.get((received) => received.includes(`you asked for /${count}`));
      }
      peer.socket.end();
      await peer.closed();
    },
  },
  halfClosedRequest: {
    share: 30,
    async run() {
      const peer = dial(places.http);
      peer.socket.end('GET /late HTTP/1.1\r\nHost: x\r\n\r\n');
      await peer.get((received) => received.includes('you asked for /late'));
      await peer.closed();
    },
  },
  pipelineNeverRead: {
    share: 10,
    async run() {
      const peer = dial(places.http);
      peer.socket.pause();
      peer.socket.write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500));
      await wait(SLOW_MS * 5);
      peer.socket.resetAndDestroy();
      await peer.closed();
    },
  },
  file: {
    share: 40,
    async run() {
      const peer = dial(places.file);
      const offset = random.below(SCRIPT.length - 1);
      const part = SCRIPT.subarray(offset, offset + 1 + random.below(SCRIPT.length - offset));
      peer.socket.write(`${offset} ${part.length}`);
      const answer = await peer.get(({ length }) => length >= part.length);
      if (!answer.equals(part)) throw new Error('another file');
      await peer.closed();
    },
  },
  halfHead: {
    share: 12,
    async run() {
      const peer = dial(places.http);
      const head = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
      peer.socket.write(head.slice(0, random.below(head.length - 1)));
      // Most leave; some stay, and are turned out by the server.
      if (!random.onceIn(10)) leave(peer);
      await peer.closed();
    },
  },
};

function choose(): string {
  let number = random.below(1_000);
  for (const [name, { share }] of Object.entries(BEHAVIOURS)) {
    if (number < share) return name;
    number -= share;
  }
  throw new Error('the shares are less than a thousand');
}

async function worker(next: () => boolean): Promise<void> {
  while (next()) {
    const name = choose();
    try {
      await (BEHAVIOURS[name] as { run: () => Promise<void> }).run();
    } catch (error) {
      const reason = `${name}: ${(error as Error).message}`;
      progress.wrong[reason] = (progress.wrong[reason] ?? 0) + 1;
    }
    progress.done[name] = (progress.done[name] ?? 0) + 1;
  }
}

process.on('message', async (order: Order) => {
  ({ places } = order);
  random = new Random(order.seed);
  progress = { finished: false, done: {}, wrong: {} };
  let left = order.connections;
  const next = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  const ticker = setInterval(() => process.send?.(progress), 1_000);
  await Promise.all(Array.from({ length: order.concurrency }, () => worker(next)));
  clearInterval(ticker);
  process.send?.({ ...progress, finished: true });
});
process.on('disconnect', () => process.exit());
