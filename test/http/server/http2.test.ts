/** HTTP/2 over TLS on our connections, beside node's own: answers, ends, deadlines, and HTTP/1.1 on the same port. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { serveFiles } from '../../../src/http/files/serve-files';
import { type Http2Listener, serveHttps } from '../../../src/http/server/serve-https';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { certificate, OPENSSL, withOpenssl } from '../../support/certificate';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { ask } from '../../support/http-client';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

let tcp: TcpServer;

function serve(
  listener: Http2Listener,
  options: object = {},
  tcpOptions: Partial<TcpServerOptions> = {},
): Http2SecureServer {
  tcp = new TcpServer({ port: 0, ...tcpOptions });
  const server = tcp;
  closing.push(async () => {
    server.destroy();
    await until(() => server.connections.size === 0);
  });
  return serveHttps(tcp, { http2: true, ...certificate(), ...options }, listener);
}

/** What each session of a client runs on. */
const below = new WeakMap<ClientHttp2Session, Socket>();

/** A session of node's client. */
async function session(port = tcp.port): Promise<ClientHttp2Session> {
  const socket = connectTcp({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  const given = { socket, ca: certificate().cert, servername: 'localhost', ALPNProtocols: ['h2'] };
  const client = connectHttp2(`https://localhost:${port}`, {
    createConnection: () => connectTls(given),
  });
  below.set(client, socket);
  client.on('error', () => {});
  closing.push(async () => {
    client.destroy();
    socket.destroy();
    await until(() => socket.closed);
  });
  await next(client, 'connect');
  return client;
}

interface Heard {
  stream: ClientHttp2Stream;
  status: number | undefined;
  text: string;
  /** Null while it is open, then how it ended: `fine`, or the code of an error. */
  end: string | null;
}

/** Ask for `path`; what is heard of the answer grows. */
function request(client: ClientHttp2Session, path: string, body?: Buffer | null): Heard {
  const method = body === undefined ? 'GET' : 'POST';
  const stream = client.request(
    { ':path': path, ':method': method },
    { endStream: body === undefined },
  );
  const heard: Heard = { stream, status: undefined, text: '', end: null };
  let error = 'fine';
  stream.on('response', (headers) => {
    heard.status = headers[':status'];
  });
  stream.on('data', (chunk: Buffer) => {
    heard.text += chunk.toString('latin1');
  });
  stream.on('error', (failure: NodeJS.ErrnoException) => {
    error = failure.code ?? String(failure);
  });
  stream.on('close', () => {
    heard.end = stream.rstCode === 0 ? error : `rst ${stream.rstCode}`;
  });
  if (body) stream.end(body);
  return heard;
}

async function answer(client: ClientHttp2Session, path: string, body?: Buffer): Promise<string> {
  const heard = request(client, path, body);
  await until(() => heard.end !== null);
  return `${heard.status} ${heard.text} ${heard.end}`;
}

/** The same on a server of node. */
async function onNode(listener: Http2Listener, options: object): Promise<number> {
  const http2 = createSecureServer({ ...certificate(), ...options }, listener);
  http2.listen(0, '127.0.0.1');
  await next(http2, 'listening');
  closing.push(async () => {
    http2.close();
    await next(http2, 'close');
  });
  return (http2.address() as AddressInfo).port;
}

function tell(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const { alpnProtocol, encrypted } = request.socket as unknown as Record<string, unknown>;
  const { remoteAddress, localPort } = request.socket;
  const isHere = remoteAddress === '127.0.0.1' && typeof localPort === 'number';
  response.end(JSON.stringify([request.httpVersion, request.url, alpnProtocol, encrypted, isHere]));
}

withOpenssl(
  'a request is answered as node answers it, and its socket knows the addresses',
  async () => {
    serve(tell);
    const expected = await answer(await session(await onNode(tell, {})), '/a?b');
    expect(expected).toBe('200 ["2.0","/a?b","h2",true,true] fine');
    expect(await answer(await session(), '/a?b')).toBe(expected);
  },
);

withOpenssl('bodies of many streams at once come whole, both ways', async () => {
  serve((asked, response) => void asked.pipe(response));
  const client = await session();
  const bodies = Array.from({ length: 20 }, (_, index) => randomBytes(1 + index * 20_000));
  const answers = await Promise.all(bodies.map((body) => answer(client, '/', body)));
  const isRight = answers.map(
    (text, index) => text === `200 ${bodies[index]?.toString('latin1')} fine`,
  );
  expect(isRight).toEqual(Array(20).fill(true));
});

for (const allowHTTP1 of [true, false]) {
  withOpenssl(`a client of HTTP/1.1 beside, allowHTTP1 ${allowHTTP1}: as node`, async () => {
    // Of a client that is refused, which is not closed at once.
    const options = { allowHTTP1, unknownProtocolTimeout: 50 };
    serve(tell, options);
    const node = await onNode(tell, options);
    const tried: string[] = [];
    for (const port of [node, tcp.port]) {
      const { status, body } = await ask({ port, path: '/x', ca: certificate().cert });
      tried.push(`${status} ${body}`);
    }
    expect(tried[0]).toMatch(allowHTTP1 ? /^200 \["1.1","\/x",false,true,true\]$/ : /^403 /);
    expect(tried[1]).toBe(tried[0]);
    expect(await answer(await session(), '/y')).toMatch(/^200 \["2.0"/);
  });
}

withOpenssl('garbage and a pipeline of HTTP/1.1 are answered beside HTTP/2', async () => {
  serve(({ url }, response) => response.end(`[${url}]`), { allowHTTP1: true });
  const whom = {
    port: tcp.port,
    host: '127.0.0.1',
    ca: certificate().cert,
    servername: 'localhost',
  };
  const talk = async (text: string): Promise<string> => {
    const socket = connectTls({ ...whom, ALPNProtocols: ['http/1.1'] });
    socket.end(text);
    let got = '';
    for await (const chunk of socket) got += chunk;
    return got;
  };
  expect(await talk('garbage\r\n\r\n')).toMatch(/^HTTP\/1.1 400/);
  const paths = Array.from({ length: 40 }, (_, index) => `/${index}`);
  const asked = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join('');
  expect((await talk(asked)).match(/\[.*?\]/g)).toEqual(paths.map((path) => `[${path}]`));
});

withOpenssl('shutdown says GOAWAY, and finishes what is open', async () => {
  const held: Http2ServerResponse[] = [];
  serve((_request, response) => {
    held.push(response);
    response.write('begun ');
  });
  const client = await session();
  const codes: number[] = [];
  client.on('goaway', (code) => codes.push(code));
  const asked = ['/1', '/2', '/3'].map((path) => request(client, path));
  await until(() => asked.every(({ text }) => text === 'begun '));
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await until(() => codes.length > 0);
  for (const response of held) response.end('done');
  expect(await result).toEqual({ ended: 1, cut: 0 });
  await until(() => asked.every(({ end }) => end !== null));
  expect(asked.map(({ status, text, end }) => [status, text, end])).toEqual(
    Array(3).fill([200, 'begun done', 'fine']),
  );
  expect(codes).toEqual([0]);
});

withOpenssl('shutdown in the middle of a body, either way, loses none of it', async () => {
  const large = randomBytes(5_000_000);
  let received = 0;
  serve((asked, response) => {
    if (asked.method === 'GET') return void response.end(large);
    asked.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    asked.on('end', () => response.end(`got ${received}`));
  });
  const client = await session();
  const [down, up] = [request(client, '/down'), request(client, '/up', null)];
  up.stream.write(large.subarray(0, 100_000));
  await until(() => down.text !== '' && received > 0);
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await next(client, 'goaway');
  up.stream.end(large.subarray(100_000));
  expect(await result).toEqual({ ended: 1, cut: 0 });
  await until(() => down.end !== null && up.end !== null);
  expect([up.text, up.end, down.text === large.toString('latin1')]).toEqual([
    `got ${large.length}`,
    'fine',
    true,
  ]);
});

withOpenssl('shutdown closes idle sessions, and one that asked nothing may ask once', async () => {
  serve(tell, { allowHTTP1: true });
  const [idle, fresh] = [await session(), await session()];
  expect(await answer(idle, '/')).toMatch(/fine$/);
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await until(() => idle.destroyed && tcp.connections.size === 1);
  expect(await answer(fresh, '/late')).toMatch(/^200 .*late.* fine$/);
  expect(await result).toEqual({ ended: 2, cut: 0 });
});

withOpenssl(
  'a request that comes after GOAWAY is refused, so that it can be asked again',
  async () => {
    let held: Http2ServerResponse | undefined;
    const urls: string[] = [];
    serve(({ url }, response) => {
      urls.push(url);
      held = response;
    });
    const client = await session();
    const first = request(client, '/first');
    await until(() => held !== undefined);
    const result = tcp.shutdown({ deadlineMs: 100_000 });
    // Before this client can know.
    const second = request(client, '/second');
    await until(() => second.end !== null || urls.includes('/second'));
    if (!urls.includes('/second')) expect(second.end).toMatch(/rst 7|ERR_HTTP2/);
    held?.end('fine');
    await until(() => first.end !== null);
    expect(first.end).toBe('fine');
    void result;
  },
);

withOpenssl(
  'close of the HTTP/2 server ends sessions in the same way, and calls back',
  async () => {
    let held: Http2ServerResponse | undefined;
    const http2 = serve(({ url }, response) => {
      if (url === '/held') held = response;
      else response.end();
    });
    const [idle, busy] = [await session(), await session()];
    await answer(idle, '/');
    const asked = request(busy, '/held');
    await until(() => held !== undefined);
    let isClosed = false;
    http2.close(() => {
      isClosed = true;
    });
    await until(() => idle.destroyed);
    expect([isClosed, tcp.listening]).toEqual([false, false]);
    held?.end('late');
    await until(() => isClosed);
    expect([asked.text, asked.end]).toEqual(['late', 'fine']);
  },
);

withOpenssl('what is not finished at the deadline is cut', async () => {
  let cause: string | undefined;
  serve((_request, response) => {
    response.on('close', () => {
      cause = 'closed';
    });
    response.write('begun');
  });
  const client = await session();
  const asked = request(client, '/');
  await until(() => asked.text === 'begun');
  expect(await tcp.shutdown({ deadlineMs: 1 })).toEqual({ ended: 0, cut: 1 });
  await until(() => cause !== undefined && asked.end !== null);
});

for (const way of ['reset', 'end']) {
  withOpenssl(`a client that vanishes by ${way} ends its streams and sessions`, async () => {
    const seen: string[] = [];
    const http2 = serve((asked, response) => {
      asked.on('aborted', () => seen.push('aborted'));
      response.on('close', () => seen.push('close'));
      response.write('begun');
    });
    http2.on('session', (opened) => {
      opened.on('error', () => {});
      opened.on('close', () => seen.push('session close'));
    });
    http2.on('stream', (stream) => stream.on('error', () => {}));
    const client = await session();
    const asked = request(client, '/', null);
    await until(() => asked.text === 'begun');
    if (way === 'reset') below.get(client)?.resetAndDestroy();
    else below.get(client)?.destroy();
    await until(() => tcp.connections.size === 0 && seen.includes('session close'));
    expect(seen.slice().sort()).toEqual(['aborted', 'close', 'session close']);
  });
}

withOpenssl(
  'an idle session is cut by the idle time of the server, one that moves is not',
  async () => {
    serve(tell, {}, { idleTimeoutMs: 300 });
    const [idle, busy] = [await session(), await session()];
    let isBusy = true;
    const pinging = (async () => {
      while (isBusy) await new Promise((resolve) => busy.ping(() => setImmediate(resolve)));
    })();
    await until(() => idle.destroyed);
    expect(busy.destroyed).toBe(false);
    isBusy = false;
    await pinging;
  },
);

withOpenssl('a minimum read rate is not for what HTTP/2 may leave unsaid', async () => {
  const rate = { bytesPerSecond: 1_000_000, windowMs: 500 };
  serve(tell, { allowHTTP1: true }, { minReadRate: rate });
  const client = await session();
  expect(await answer(client, '/')).toMatch(/fine$/);
  // One of whom bytes are expected, and who came later.
  const silent = connectTcp({ port: tcp.port, host: '127.0.0.1' });
  silent.on('error', () => {});
  silent.resume();
  await next(silent, 'close');
  expect(await answer(client, '/')).toMatch(/fine$/);
});

withOpenssl('files are served', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const bytes = randomBytes(300_000);
  writeFileSync(join(folder, 'a.bin'), bytes);
  const files = serveFiles(folder);
  serve((asked, response) => void files(asked as never, response as never));
  const client = await session();
  expect((await answer(client, '/a.bin')) === `200 ${bytes.toString('latin1')} fine`).toBe(true);
  expect(await answer(client, '/none')).toMatch(/^404 .*fine$/s);
});

const CURL = findProgram('curl');

testWith(OPENSSL === null ? null : CURL, 'curl')('curl --http2 gets its answer', async () => {
  serve(tell, { allowHTTP1: true });
  const run = async (version: string): Promise<string> => {
    const given = ['-sk', version, '-w', ' %{http_version}', `https://127.0.0.1:${tcp.port}/c`];
    return (await promisify(execFile)(CURL ?? '', given)).stdout;
  };
  expect(await run('--http1.1')).toMatch(/^\["1.1","\/c","http\/1.1",true,true\] 1.1$/);
  const { stdout } = await promisify(execFile)(CURL ?? '', ['--version']);
  if (stdout.includes('HTTP2')) {
    expect(await run('--http2')).toMatch(/^\["2.0","\/c","h2",true,true\] 2$/);
  }
});

withOpenssl('a wrong option is named', () => {
  tcp = new TcpServer({ port: 0 });
  const server = tcp;
  closing.push(() => server.destroy());
  expect(() => serveHttps(tcp, { http2: 'yes' } as never)).toThrow(
    /"options.http2" argument must be a boolean/,
  );
});
