/**
 * Whatever a client does and a server answers, node:http on our streams tells its program and its
 * client the same as on node:net. Where it does not, a test says so, and why.
 */
import type { Socket } from 'node:net';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { RawClient, Rig } from '../../support/http-rig';
import { until } from '../../support/until';
import { answering, expectAsNode, get, holding, LONG, post, UPGRADE } from './as-node';

expectNoFdLeaks();

expectAsNode({
  'requests one after the other': {
    async run(rig, client) {
      answering(rig);
      for (const path of ['/1', '/2', '/3']) {
        client.socket.write(get(path));
        await client.got(`<${path}>`);
      }
      await client.leave();
    },
  },
  'HTTP/1.0 closes': {
    async run(rig, client) {
      answering(rig);
      client.socket.write('GET /old HTTP/1.0\r\n\r\n');
      await client.ended();
    },
  },
  'pipelined, answered in the wrong order': {
    async run(rig, client) {
      const { waiting } = holding(rig);
      client.socket.write(get('/1') + get('/2') + get('/3'));
      await until(() => waiting.length === 3);
      for (const answer of waiting.reverse()) answer();
      await client.got('</3>');
      await client.leave();
    },
  },
  'pipelined, and an end before any answer, half-open': {
    async run(rig, client) {
      Object.assign(rig.http, { httpAllowHalfOpen: true });
      const { waiting } = holding(rig);
      client.socket.end(get('/1') + get('/2'));
      await until(() => waiting.length === 2 && rig.log['socket']?.includes('end') === true);
      for (const answer of waiting) answer();
      await client.ended();
    },
  },
  'pipelined, and an end before any answer, not half-open': {
    async run(rig, client) {
      Object.assign(rig.http, { httpAllowHalfOpen: false });
      const { waiting } = holding(rig);
      client.socket.end(get('/1') + get('/2'));
      await until(() => waiting.length === 2);
      await client.ended();
    },
  },
  'pipelined, and a reset before any answer': {
    async run(rig, client) {
      const { waiting } = holding(rig);
      client.socket.write(get('/1') + get('/2'));
      await until(() => waiting.length === 2);
      client.socket.resetAndDestroy();
      await rig.idle();
      for (const answer of waiting) answer();
    },
  },
  'more requests than a socket may have': {
    async run(rig, client) {
      rig.http.maxRequestsPerSocket = 2;
      rig.http.on('dropRequest', () => rig.note('server', 'dropRequest'));
      answering(rig);
      client.socket.write(get('/1') + get('/2') + get('/3'));
      await client.got('HTTP/1.1 503');
      await client.leave();
    },
  },
  'chunks in pieces, with extensions and trailers, both ways': {
    async run(rig, client) {
      rig.http.on('request', async (request, response) => {
        rig.follow(request, response);
        let body = '';
        for await (const chunk of request) body += chunk;
        rig.note('trailers', JSON.stringify(request.trailers));
        response.writeHead(200, { Trailer: 'X-Sum' });
        response.write(body);
        response.addTrailers({ 'X-Sum': String(body.length) });
        response.end('!');
      });
      const head =
        'POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n';
      const chunks = '3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-A: trailer\r\n\r\n';
      for (const letter of head + chunks) {
        client.socket.write(letter);
        await new Promise(setImmediate);
      }
      await client.got('X-Sum: 7\r\n\r\n');
      await client.leave();
    },
  },
  'a chunk that is none': {
    async run(rig, client) {
      holding(rig);
      client.socket.write(
        'POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      );
      await client.ended();
    },
  },
  'a header that is none': {
    async run(rig, client) {
      answering(rig);
      client.socket.write('GET / HTTP/1.1\r\nno header\r\n\r\n');
      await client.ended();
    },
  },
  'two lengths of one body': {
    async run(rig, client) {
      answering(rig);
      client.socket.write(`${post(4, 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n${get('/hidden')}`);
      await client.ended();
    },
  },
  'clientError: half a head, and an end': {
    async run(rig, client) {
      rig.http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        rig.note('server', `${error.code}, writable ${socket.writable}`);
        socket.end('HTTP/1.1 400 Mine\r\n\r\n');
      });
      client.socket.end('GET / HTTP/1.1\r\nHo');
      await client.ended();
    },
  },
  'clientError: half a head, and a reset': {
    async run(rig, client) {
      rig.http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        rig.note('server', `${error.code}, writable ${socket.writable}`);
        socket.destroy();
      });
      client.socket.write('GET / HTTP/1.1\r\nHo');
      await until(() => (rig.socket?.bytesRead ?? 0) > 0);
      client.socket.resetAndDestroy();
      await until(() => rig.log['socket'] !== undefined);
      await rig.idle();
    },
  },
  '100-continue': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        request.pipe(response);
      });
      client.socket.write(post(4, 'Expect: 100-continue\r\n'));
      await client.got('100 Continue\r\n\r\n');
      client.socket.write('body');
      await client.got('body');
      await client.leave();
    },
  },
  '100-continue is refused': {
    async run(rig, client) {
      rig.http.on('checkContinue', (request, response) => {
        rig.follow(request, response);
        response.writeHead(413, { Connection: 'close' });
        response.end();
      });
      client.socket.write(post(4, 'Expect: 100-continue\r\n'));
      await client.ended();
    },
  },
  'another expectation': {
    async run(_rig, client) {
      client.socket.write(post(0, 'Expect: gold\r\n'));
      await client.got('417 Expectation Failed');
      await client.leave();
    },
  },
  'an upgrade, with bytes behind the head': {
    async run(rig, client) {
      rig.http.on('upgrade', (_request, socket, head) => {
        rig.note('upgrade', `${head}, ${socket.readableLength}`);
        for (const name of ['data', 'error', 'close', 'timeout', 'drain']) {
          rig.note('upgrade', `${name} ${socket.listenerCount(name)}`);
        }
        socket.write('HTTP/1.1 101 Yes\r\n\r\n');
        socket.on('data', (chunk: Buffer) => socket.write(`<${chunk}>`));
        socket.on('end', () => socket.end('bye'));
      });
      client.socket.write(`${UPGRADE}behind`);
      await client.got('101 Yes\r\n\r\n');
      client.socket.write('later');
      await client.got('<later>');
      await client.leave();
    },
  },
  'an upgrade, whose taker reads nothing and ends: it hears of the end, and both close': {
    async run(rig, client) {
      rig.http.on('upgrade', (_request, socket) => void socket.end('HTTP/1.1 101 Yes\r\n\r\n'));
      client.socket.write(UPGRADE);
      await client.ended();
      await rig.idle();
    },
  },
  'an upgrade that nobody takes': {
    async run(rig, client) {
      answering(rig);
      client.socket.write(UPGRADE);
      await client.got('</up>');
      await client.leave();
    },
  },
  CONNECT: {
    async run(rig, client) {
      rig.http.on('connect', (request, socket, head) => {
        rig.note('connect', `${request.url} ${head}`);
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(socket);
      });
      client.socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nfirst');
      await client.got('200 OK');
      client.socket.end('second');
      await client.ended();
    },
  },
  'CONNECT that nobody takes': {
    async run(_rig, client) {
      client.socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
      await client.ended();
    },
  },
});

test('a reset is told also while nobody reads, which node:net hears of later', async () => {
  const rig = new Rig('level');
  const client = new RawClient(await rig.listening());
  rig.http.on('request', (request, response) => rig.follow(request, response));
  client.socket.write(post(LONG.length) + LONG.slice(1));
  await until(() => rig.log['/body'] !== undefined);
  client.socket.resetAndDestroy();
  await rig.idle();
  expect(rig.log['socket']).toEqual(['error ECONNRESET', 'close true']);
  await rig.close();
});

test('a socket has every member that one of node:net has, but for two', async () => {
  const names = new Set<string>();
  const kinds: Record<string, Record<string, string>> = {};
  for (const ground of ['node', 'level'] as const) {
    const rig = new Rig(ground);
    const client = new RawClient(await rig.listening());
    const socket = await new Promise<Socket>((resolve) => {
      rig.http.once('connection', resolve);
    });
    if (ground === 'node') {
      for (let one: object | null = socket; one !== null; one = Object.getPrototypeOf(one)) {
        for (const name of Object.getOwnPropertyNames(one)) names.add(name);
      }
    }
    const members = socket as unknown as Record<string, unknown>;
    const present = [...names].filter((name) => !name.startsWith('_') && name in socket);
    kinds[ground] = Object.fromEntries(present.map((name) => [name, typeof members[name]]));
    client.socket.destroy();
    await rig.close();
  }
  const missing = Object.keys(kinds['node'] ?? {}).filter(
    (name) => kinds['level']?.[name] !== kinds['node']?.[name],
  );
  // A stream is not connected again, and nothing has looked at bufferSize since Node 14.
  expect(missing.sort()).toEqual(['bufferSize', 'connect']);
});
