/** How far a connection may ask ahead: at the limit, one past it, and however the bytes come. */
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MAX_BEGUN } from '../../../src/http/server/gate-rounds';
import { MAX_WAITING, RequestGate } from '../../../src/http/server/request-gate';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client } from '../../support/client';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** A gate before a parser that knows no more than the tests need. */
class Bench {
  readonly gate: RequestGate;
  readonly portions: string[] = [];
  readonly answers: EventEmitter[] = [];
  resumed = 0;
  ended = 0;
  ahead = 0;
  isClogged = false;
  #text = '';
  #bodyLeft = 0;
  #latest = { complete: true, headers: {} };

  constructor() {
    this.gate = new RequestGate({
      pass: (chunk) => {
        this.portions.push(chunk.toString('latin1'));
        this.#parse(chunk.toString('latin1'));
        return true;
      },
      isClogged: () => this.isClogged,
      hold: () => {},
      resume: () => {
        this.resumed += 1;
      },
      end: () => {
        this.ended += 1;
      },
      onAhead: () => {
        this.ahead += 1;
      },
    });
  }

  get text(): string {
    return this.portions.join('');
  }

  answer(): void {
    this.answers.shift()?.emit('close');
  }

  #parse(text: string): void {
    this.#text += text;
    for (;;) {
      const body = Math.min(this.#bodyLeft, this.#text.length);
      this.#text = this.#text.slice(body);
      this.#bodyLeft -= body;
      if (this.#bodyLeft > 0) return;
      this.#latest.complete = true;
      const end = this.#text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /Content-Length: (\d+)/.exec(this.#text.slice(0, end))?.[1] ?? '0';
      this.#text = this.#text.slice(end + 4);
      this.#bodyLeft = Number(length);
      this.#latest = { complete: length === '0', headers: { 'content-length': length } };
      const response = Object.assign(new EventEmitter(), { writableEnded: false });
      response.on('finish', () => {
        response.writableEnded = true;
      });
      this.answers.push(response);
      this.gate.onRequest(
        this.#latest as unknown as IncomingMessage,
        response as unknown as ServerResponse,
      );
    }
  }
}

const rounds = async (): Promise<void> => {
  for (let count = 0; count < 3; count += 1) await new Promise(setImmediate);
};

test.each([1, 2, 3, 5, 26, 27, 100, 10_000])(
  'in pieces of %d bytes, up to the limit',
  async (size) => {
    const bench = new Bench();
    const all = GET.repeat(MAX_WAITING + 1);
    for (let offset = 0; offset < all.length; offset += size) {
      bench.gate.take(Buffer.from(all.slice(offset, offset + size)));
    }
    await until(() => bench.answers.length === MAX_WAITING);
    await rounds();
    expect([bench.answers.length, bench.gate.isHolding]).toEqual([MAX_WAITING, true]);
    while (bench.answers.length > 0) bench.answer();
    await until(() => bench.text === all);
    expect(bench.answers).toHaveLength(1);
    bench.gate.close();
  },
);

test('requests and bodies that are cut at any place are given on whole, each once', async () => {
  const all = GET + post('a\r\n\r\nb\n\n') + GET + post('x') + post('\r\n') + GET;
  for (let cut = 0; cut <= all.length; cut += 1) {
    const bench = new Bench();
    let answered = 0;
    const answer = (): void => {
      answered += bench.answers.length;
      while (bench.answers.length > 0) bench.answer();
    };
    for (const part of [all.slice(0, cut), all.slice(cut)]) {
      if (part !== '') bench.gate.take(Buffer.from(part));
      answer();
    }
    await until(() => {
      answer();
      return bench.text === all;
    });
    expect([cut, answered, bench.gate.isHolding]).toEqual([cut, 6, false]);
    bench.gate.close();
  }
});

test('a body at the limit comes whole, and what is behind it waits', async () => {
  const bench = new Bench();
  const body = 'two\r\n\r\nparts\r\n\r\n'.repeat(100);
  const all = GET.repeat(MAX_WAITING - 1) + post(body) + GET;
  for (let offset = 0; offset < all.length; offset += 50) {
    bench.gate.take(Buffer.from(all.slice(offset, offset + 50)));
  }
  await until(() => bench.text.length === all.length - GET.length);
  await rounds();
  expect([bench.answers.length, bench.gate.isHolding]).toEqual([MAX_WAITING, true]);
  bench.gate.close();
});

test('reads on, and emits the end, when nothing is left to pass on', async () => {
  const bench = new Bench();
  bench.gate.take(Buffer.from(GET.repeat(MAX_WAITING + 1)));
  bench.gate.onWanted();
  bench.gate.onEnd();
  await until(() => bench.answers.length === MAX_WAITING);
  await rounds();
  expect([bench.resumed, bench.ended]).toEqual([0, 0]);
  await until(() => {
    while (bench.answers.length > 0) bench.answer();
    return bench.ended === 1;
  });
  bench.gate.close();
});

test('heads that node:http refuses by itself are not given on behind an answer that waits', async () => {
  const bench = new Bench();
  const gate = new RequestGate({
    pass: (chunk) => bench.portions.push(String(chunk)) > 0,
    isClogged: () => false,
    hold: () => {},
    resume: () => {},
    end: () => {},
    onAhead: () => {},
  });
  const response = new EventEmitter();
  gate.onRequest(
    { complete: true, headers: {} } as unknown as IncomingMessage,
    response as unknown as ServerResponse,
  );
  const heads = 'GET / HTTP/1.1\r\n\r\n'.repeat(10);
  gate.take(Buffer.from(heads));
  await until(() => bench.portions.length > 0);
  await rounds();
  expect(bench.portions).toHaveLength(1);
  response.emit('close');
  await until(() => bench.text === heads);
  gate.close();
});

test('what stands behind an upgrade is handed out, and all that follows passes', async () => {
  const bench = new Bench();
  bench.gate.take(Buffer.from(GET));
  bench.gate.take(Buffer.from(GET));
  expect(bench.portions).toEqual([GET]);
  expect(String(bench.gate.open())).toBe(GET);
  bench.gate.take(Buffer.from(GET + GET));
  expect(bench.portions.at(-1)).toBe(GET + GET);
  await rounds();
  expect(bench.portions).toHaveLength(2);
});

test('one who asks once is served at once, before a thousand who ask ahead', async () => {
  const pipelines = Array.from({ length: 1_000 }, () => new Bench());
  for (const { gate } of pipelines) gate.take(Buffer.from(GET.repeat(200)));
  const heard = (): number => pipelines.reduce((sum, { answers }) => sum + answers.length, 0);
  expect(heard()).toBe(0);
  const honest = new Bench();
  honest.gate.take(Buffer.from(GET));
  expect([honest.answers.length, honest.ahead]).toEqual([1, 0]);
  await new Promise(setImmediate);
  expect(heard()).toBeGreaterThan(0);
  expect(heard()).toBeLessThanOrEqual(MAX_BEGUN);
  // The next request of one whose answer is on its way, as under TLS.
  honest.answers[0]?.emit('finish');
  honest.gate.take(Buffer.from(GET));
  expect(honest.answers).toHaveLength(2);
  expect(pipelines.every(({ ahead }) => ahead > 0)).toBe(true);
  for (const { gate } of [honest, ...pipelines]) gate.close();
});

test.each(['\n', '\r\n'])(
  'heads with bare line feeds are no way past the limit (%j)',
  async (mixed) => {
    const tcp = destroyLater(new TcpServer({ port: 0 }));
    let count = 0;
    serveHttp(tcp, { insecureHTTPParser: true }, () => {
      count += 1;
    });
    const socket = await client(tcp.port);
    socket.write(`GET / HTTP/1.1${mixed}Host: x\n\n`.repeat(MAX_WAITING + 100));
    await until(() => count >= MAX_WAITING);
    await rounds();
    expect(count).toBe(MAX_WAITING);
    socket.destroy();
  },
);
