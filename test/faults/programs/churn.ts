/**
 * Connections that come and go as fast as can be, on one loop, so that each fd number has many owners
 * and is often taken again within the batch in which it was closed. Each connection has a tag, and
 * every message carries that of its connection: one that comes to another is a crossing.
 *
 * Everything is killed at random and in all ways: by either side, by a FIN, by a reset, in its own
 * callback and in those of others. Beside the connections there are pairs of unix sockets, which are
 * replaced in a single callback, so that their numbers are reused at once.
 */
import { EventLoop } from '../../../src/loop/event-loop';
import type { EventHandler, Registration } from '../../../src/loop/registration';
import { connect } from '../../../src/net/client/connect';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { setSocketOption } from '../../../src/net/socket/options';
import * as c from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { close, read, write } from '../../../src/sys/io';
import { socketpair } from '../../../src/sys/socket';
import { Random } from '../../support/random';

/** What happened. */
export interface ChurnReport {
  /** Messages that came to somebody else. Must be 0. */
  crossed: number;
  /** Messages that came as they should. */
  messages: number;
  connections: number;
  pairs: number;
  /** Connections and pairs that got an fd number which another one had before. */
  reused: number;
  /** Events that were fetched for a former owner, and dropped. */
  stale: number;
  /** What the loop watches at the end. Must be 0. */
  watched: number;
  timers: number;
  /** How connections ended, by error code or `none`. */
  ends: Record<string, number>;
}

/** A message: the tag, a sequence number, and both mixed. */
const MESSAGE_BYTES = 12;
const CLIENTS = 48;
const PAIRS = 16;

/** One end of a connection, as its handler knows it. */
interface Party {
  /** Of the server's end: 0 until the first message says it. */
  tag: number;
  next: number;
  rest: Buffer;
}

function encode(tag: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(MESSAGE_BYTES);
  bytes.writeUInt32LE(tag, 0);
  bytes.writeUInt32LE(sequence, 4);
  bytes.writeUInt32LE((tag ^ Math.imul(sequence, 0x9e3779b1)) >>> 0, 8);
  return bytes;
}

/** Many connections on one loop. */
class Churn implements ChurnReport {
  crossed = 0;
  messages = 0;
  connections = 0;
  pairs = 0;
  reused = 0;
  ends: Record<string, number> = {};
  readonly loop = new EventLoop({ waiter: 'libuv' });
  readonly #random: Random;
  readonly #server: TcpServer;
  readonly #trigger: 'level' | 'edge';
  readonly #clients = new Set<TcpConnection>();
  readonly #pairs = new Set<Pair>();
  readonly #seenFds = new Set<number>();
  #connecting = 0;
  #tags = 0;

  constructor(seed: number, trigger: 'level' | 'edge') {
    this.#random = new Random(seed);
    this.#trigger = trigger;
    const handler = {
      onData: (connection: TcpConnection, chunk: Buffer) => this.#onServerData(connection, chunk),
    };
    this.#server = new TcpServer({ port: 0, loop: this.loop, trigger, handler });
    this.#server.on('connection', (connection) => {
      connection.attachment = { tag: 0, next: 0, rest: Buffer.alloc(0) } satisfies Party;
      this.#noteFd(connection.fd);
    });
  }

  get stale(): number {
    return this.loop.stats().staleEvents;
  }

  get watched(): number {
    return this.loop.stats().watched;
  }

  get timers(): number {
    return this.loop.stats().timers;
  }

  /** Everybody says something, and who is missing is replaced. */
  round(): void {
    while (this.#clients.size + this.#connecting < CLIENTS) this.#open();
    while (this.#pairs.size < PAIRS) this.#openPair();
    for (const client of this.#clients) this.#say(client);
    for (const pair of this.#pairs) pair.say();
  }

  /** Wait until nobody is left. */
  async finish(): Promise<void> {
    while (this.#connecting > 0) await new Promise((resolve) => setImmediate(resolve));
    for (const client of [...this.#clients]) client.destroy();
    for (const pair of [...this.#pairs]) pair.close();
    this.#server.destroy();
  }

  /** A pair has read `bytes` in one read. */
  onPairData(pair: Pair, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
      this.#check(bytes.readUInt32LE(at) === pair.tag, bytes.subarray(at));
    }
    // Close somebody whose event may be in this batch, and take the number at once.
    const victim = this.#random.onceIn(2) ? this.#random.pick(this.#pairs) : undefined;
    victim?.close();
    if (victim !== undefined) this.#openPair();
    if (this.#random.onceIn(8)) this.#kill(this.#random.pick(this.#server.connections));
  }

  onPairClose(pair: Pair): void {
    this.#pairs.delete(pair);
  }

  #openPair(): void {
    this.#tags += 1;
    this.pairs += 1;
    const pair = new Pair(this, this.#tags);
    this.#noteFd(pair.fd);
    this.#pairs.add(pair);
    // Something is there to be read before the first wait.
    if (this.#random.onceIn(2)) pair.say();
  }

  #open(): void {
    this.#connecting += 1;
    this.#tags += 1;
    const tag = this.#tags;
    const handler = {
      onData: (connection: TcpConnection, chunk: Buffer) => this.#onClientData(connection, chunk),
      onClose: (connection: TcpConnection, error: Error | undefined) => {
        this.#clients.delete(connection);
        const code = (error as { code?: string } | undefined)?.code ?? 'none';
        this.ends[code] = (this.ends[code] ?? 0) + 1;
      },
    };
    connect({ port: this.#server.port, loop: this.loop, trigger: this.#trigger, handler }).then(
      (connection) => {
        this.#connecting -= 1;
        this.connections += 1;
        this.#noteFd(connection.fd);
        connection.attachment = { tag, next: 0, rest: Buffer.alloc(0) } satisfies Party;
        this.#clients.add(connection);
        this.#say(connection);
      },
      (error: { code: string }) => {
        this.#connecting -= 1;
        this.ends[error.code] = (this.ends[error.code] ?? 0) + 1;
      },
    );
  }

  #say(client: TcpConnection): void {
    const party = client.attachment as Party & { said?: number };
    party.said = (party.said ?? 0) + 1;
    client.write(encode(party.tag, party.said));
  }

  #onServerData(connection: TcpConnection, chunk: Buffer): void {
    this.#take(connection, chunk, (message) => {
      connection.write(Buffer.from(message));
      const random = this.#random;
      if (random.onceIn(6)) this.#kill(random.pick(this.#server.connections));
      if (random.onceIn(12)) this.#kill(random.pick(this.#clients));
      if (random.onceIn(12)) random.pick(this.#pairs)?.close();
      if (random.onceIn(24)) this.#kill(connection);
    });
  }

  #onClientData(connection: TcpConnection, chunk: Buffer): void {
    this.#take(connection, chunk, () => {
      const random = this.#random;
      if (random.onceIn(12)) this.#kill(random.pick(this.#clients));
      if (random.onceIn(24)) this.#kill(connection);
      if (random.onceIn(4)) this.#say(connection);
    });
  }

  /** Check every whole message of `chunk`; stop when the connection is killed on the way. */
  #take(connection: TcpConnection, chunk: Buffer, onMessage: (message: Buffer) => void): void {
    const party = connection.attachment as Party;
    let bytes = Buffer.concat([party.rest, chunk]);
    while (bytes.length >= MESSAGE_BYTES && !connection.closed) {
      const tag = bytes.readUInt32LE(0);
      if (party.tag === 0) party.tag = tag;
      party.next += 1;
      this.#check(tag === party.tag && bytes.readUInt32LE(4) === party.next, bytes);
      onMessage(bytes.subarray(0, MESSAGE_BYTES));
      bytes = bytes.subarray(MESSAGE_BYTES);
    }
    party.rest = bytes;
  }

  #check(isRight: boolean, bytes: Buffer): void {
    const whole = encode(bytes.readUInt32LE(0), bytes.readUInt32LE(4));
    if (isRight && bytes.subarray(0, MESSAGE_BYTES).equals(whole)) this.messages += 1;
    else this.crossed += 1;
  }

  #kill(connection: TcpConnection | undefined): void {
    if (connection === undefined || connection.closed) return;
    const way = this.#random.below(3);
    if (way === 0) return connection.end();
    if (way === 1) setSocketOption(connection.fd, 'linger', { enabled: true, seconds: 0 });
    connection.destroy();
  }

  #noteFd(fd: number): void {
    if (this.#seenFds.has(fd)) this.reused += 1;
    this.#seenFds.add(fd);
  }
}

const buffer = Buffer.alloc(65_536);

/** A pair of unix sockets, one end of which is watched. What is said is there at once. */
class Pair implements EventHandler {
  readonly fd: number;
  readonly tag: number;
  readonly #peer: number;
  readonly #churn: Churn;
  readonly #registration: Registration;
  #said = 0;

  constructor(churn: Churn, tag: number) {
    const fds = new Int32Array(2);
    const type = c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
    unwrap(socketpair(c.AF_UNIX, type, 0, fds), 'socketpair');
    this.fd = fds[0] as number;
    this.#peer = fds[1] as number;
    this.tag = tag;
    this.#churn = churn;
    this.#registration = churn.loop.add(this.fd, (c.EPOLLIN | c.EPOLLET) >>> 0, this);
  }

  say(): void {
    this.#said += 1;
    write(this.#peer, encode(this.tag, this.#said));
  }

  onEvents(): void {
    const count = read(this.fd, buffer);
    // An event that is another's would find this one's socket empty.
    if (count <= 0) this.#churn.crossed += 1;
    else this.#churn.onPairData(this, Buffer.from(buffer.subarray(0, count)));
  }

  onRevoked(): void {}

  close(): void {
    if (!this.#registration.active) return;
    this.#registration.remove();
    close(this.fd);
    close(this.#peer);
    this.#churn.onPairClose(this);
  }
}

/** Let connections come and go for so many rounds. */
export async function churn(options: {
  seed: number;
  rounds: number;
  trigger: 'level' | 'edge';
}): Promise<ChurnReport> {
  const all = new Churn(options.seed, options.trigger);
  for (let round = 0; round < options.rounds; round += 1) {
    all.round();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all.finish();
  // What was killed last is told in the next turns.
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  const { crossed, messages, connections, pairs, reused, stale, watched, timers, ends } = all;
  all.loop.close();
  return { crossed, messages, connections, pairs, reused, stale, watched, timers, ends };
}
