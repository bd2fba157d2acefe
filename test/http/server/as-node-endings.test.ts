/** As as-node.test.ts: requests and responses that do not come to their end, deadlines, closing. */

import { expectNoFdLeaks } from '../../support/fd-leaks';
import type { Rig } from '../../support/http-rig';
import { nodeTurns } from '../../support/marker';
import { until } from '../../support/until';
import { answering, expectAsNode, get, holding, LONG, post } from './as-node';

expectNoFdLeaks();

expectAsNode({
  'a reset in the middle of a request': {
    async run(rig, client) {
      const { received } = holding(rig);
      client.socket.write(`${post(100)}half`);
      await until(() => received() === 4);
      client.socket.resetAndDestroy();
      await rig.idle();
    },
  },
  'an end in the middle of a request': {
    async run(rig, client) {
      const { received } = holding(rig);
      client.socket.write(`${post(100)}half`);
      await until(() => received() === 4);
      await client.leave();
    },
  },
  'a reset in the middle of a response': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        response.write(LONG.repeat(20));
      });
      client.socket.write(get('/long'));
      await client.got('xxx');
      client.socket.resetAndDestroy();
      await rig.idle();
      client.forget();
    },
  },
  'an answer before the body has come, which is then thrown away': {
    async run(rig, client) {
      answering(rig);
      client.socket.write(post(LONG.length) + LONG + get('/next'));
      await client.got('</next>');
      await client.leave();
    },
  },
  'a request that waits, with much behind it': {
    async run(rig, client) {
      let resume = (): void => {};
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        let length = 0;
        request.on('end', () => response.end(`<${request.url} ${length}>`));
        resume = () => {
          request.on('data', (chunk: Buffer) => {
            length += chunk.length;
          });
          request.resume();
        };
        if (request.url === '/next') resume();
        else request.pause();
      });
      client.socket.write(post(LONG.length) + LONG + get('/next'));
      await until(() => rig.log['/body'] !== undefined);
      await nodeTurns();
      resume();
      await client.got('</next 0>');
      await client.leave();
    },
  },
  'a long response to one who reads late': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        let left = 8;
        const more = (): void => {
          while (left > 0) {
            left -= 1;
            if (!response.write(LONG)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      });
      client.socket.pause();
      client.socket.write(get('/long', 'Connection: close\r\n'));
      await until(() => rig.log['/long'] !== undefined);
      client.socket.resume();
      await client.ended();
    },
  },
  'the response is destroyed': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        response.write('part', () => response.destroy());
      });
      client.socket.write(get('/1'));
      await client.ended();
    },
  },
  'the socket is destroyed with an error': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        const error = Object.assign(new Error('mine'), { code: 'EMINE' });
        response.write('part', () => request.socket.destroy(error));
      });
      client.socket.write(get('/1'));
      await client.ended();
    },
  },
  'the socket is ended under the response': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        response.write('part', () => {
          request.socket.end();
          response.write('too late', (error) =>
            rig.note('write', String((error as NodeJS.ErrnoException | null)?.code)),
          );
        });
      });
      client.socket.write(get('/1'));
      await client.ended();
    },
  },
  'a socket that was detached from its response': {
    async run(rig, client) {
      rig.http.on('request', ({ socket }, response) => {
        response.detachSocket(socket);
        socket.end('raw');
        rig.note('socket', socket.readyState);
      });
      client.socket.write(get('/1'));
      await client.ended();
    },
  },
  'hints before the answer, and corked writes': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        response.writeEarlyHints({ link: '</a>; rel=preload' });
        response.writeProcessing();
        response.cork();
        response.write('a');
        response.write('b');
        setImmediate(() => {
          response.uncork();
          response.end('c');
        });
      });
      client.socket.write(get('/1'));
      await client.got('0\r\n\r\n');
      await client.leave();
    },
  },
  headersTimeout: {
    options: { headersTimeout: 50, connectionsCheckingInterval: 20 },
    async run(_rig, client) {
      client.socket.write('GET / HTTP/1.1\r\nHo');
      await client.ended();
    },
  },
  'headersTimeout of one who says nothing': {
    options: { headersTimeout: 50, connectionsCheckingInterval: 20 },
    run: (_rig, client) => client.ended(),
  },
  requestTimeout: {
    options: { headersTimeout: 100, requestTimeout: 100, connectionsCheckingInterval: 20 },
    async run(rig, client) {
      holding(rig);
      client.socket.write(`${post(100)}half`);
      await client.ended();
    },
  },
  keepAliveTimeout: {
    options: { keepAliveTimeout: 20 },
    async run(rig, client) {
      answering(rig);
      client.socket.write(get('/1'));
      await client.ended();
    },
  },
  'server.setTimeout': {
    async run(rig, client) {
      rig.http.setTimeout(50);
      holding(rig);
      client.socket.write(get('/1'));
      await client.ended();
    },
  },
  'request.setTimeout and response.setTimeout': {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        request.setTimeout(50, () => rig.note('timeout', 'request'));
        response.setTimeout(50, () => {
          rig.note('timeout', 'response');
          response.end('too long');
        });
      });
      client.socket.write(get('/1'));
      await client.got('too long');
      await client.leave();
    },
  },
  closeAllConnections: {
    async run(rig, client) {
      rig.http.on('request', (request, response) => {
        rig.follow(request, response);
        response.write('part');
      });
      client.socket.write(get('/1'));
      await client.got('part');
      rig.http.closeAllConnections();
      await client.ended();
    },
  },
  'close with an idle connection': {
    async run(rig, client) {
      answering(rig);
      rig.http.on('close', () => rig.note('server', 'close'));
      client.socket.write(get('/1'));
      await client.got('</1>');
      await until(() => rig.log['/1 request']?.length === 2);
      rig.http.close((error) => rig.note('callback', String(error)));
      await client.ended();
      await until(() => rig.log['callback'] !== undefined);
      await expectNotRunning(rig);
    },
  },
  'close with a response under way, and another request behind it': {
    async run(rig, client) {
      const { waiting } = holding(rig);
      rig.http.on('close', () => rig.note('server', 'close'));
      client.socket.write(get('/1'));
      await until(() => waiting.length === 1);
      rig.http.close((error) => rig.note('callback', String(error)));
      waiting[0]?.();
      await client.got('</1>');
      client.socket.write(get('/2'));
      await until(() => waiting.length === 2);
      expect(rig.log['callback']).toBeUndefined();
      waiting[1]?.();
      await client.got('</2>');
      await client.leave();
      await until(() => rig.log['callback'] !== undefined);
    },
  },
});

/** A second close tells its callback that there is nothing to close. */
async function expectNotRunning({ http }: Rig): Promise<void> {
  const error = await new Promise<NodeJS.ErrnoException | undefined>((done) => http.close(done));
  expect(error?.code).toBe('ERR_SERVER_NOT_RUNNING');
}
