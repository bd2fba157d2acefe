/** What TLS and HTTP over it say last, before they close: it arrives, as it does from node's own server. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTls,
  type TLSSocket,
} from 'node:tls';
import { serveHttps } from '../../../src/http/server/serve-https';
import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { certificate, withOpenssl } from '../../support/certificate';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** Enough to see what is lost once in five times; more by hand. */
const REPEATS = 5;

const GROUNDS = ['node', 'level', 'edge'] as const;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server on one of the grounds; returns its port. */
async function serve(ground: (typeof GROUNDS)[number], options: object): Promise<number> {
  const given = { ...certificate(), ...options };
  if (ground !== 'node') {
    const tcp = new TcpServer({ port: 0, trigger: ground });
    const https = serveHttps(tcp, given, (_request, response) => response.end());
    https.on('tlsClientError', () => {});
    closing.push(async () => {
      tcp.destroy();
      await until(() => tcp.connections.size === 0);
    });
    return tcp.port;
  }
  const https: Server = createServer(given, (_request, response) => response.end());
  https.on('tlsClientError', () => {});
  https.listen(0, '127.0.0.1');
  await next(https, 'listening');
  closing.push(async () => {
    https.closeAllConnections();
    https.close();
    await next(https, 'close');
  });
  return (https.address() as AddressInfo).port;
}

/** All that a client gets: text, and the error if there is one. */
async function talk(port: number, text: string, options: ConnectionOptions): Promise<string> {
  const whom = { host: '127.0.0.1', port, ca: certificate().cert, servername: 'localhost' };
  return heard(connectTls({ ...whom, ...options }), text);
}

async function heard(socket: TLSSocket, text: string): Promise<string> {
  let got = '';
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString('latin1');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    got += ` ${error.code}`;
  });
  socket.once('secureConnect', () => socket.write(text));
  // A stream that keeps its half open makes TLS above it do so.
  socket.once('end', () => socket.end());
  await next(socket, 'close');
  return got.split('\r\n')[0] ?? '';
}

async function repeated(what: () => Promise<string>): Promise<string[]> {
  const all = new Set<string>();
  for (let round = 0; round < REPEATS; round += 1) all.add(await what());
  return [...all];
}

describe.each(VERSIONS)('%s', (version) => {
  const versions = { minVersion: version, maxVersion: version };

  for (const ground of GROUNDS) {
    withOpenssl(`garbage over TLS is answered with 400: ${ground}`, async () => {
      const port = await serve(ground, {});
      const all = await repeated(() => talk(port, 'garbage\r\n\r\n', versions));
      expect(all).toEqual(['HTTP/1.1 400 Bad Request']);
    });

    withOpenssl(`a head of 20 KB is answered with 431: ${ground}`, async () => {
      const port = await serve(ground, {});
      const head = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
      const all = await repeated(() => talk(port, head, versions));
      expect(all).toEqual(['HTTP/1.1 431 Request Header Fields Too Large']);
    });

    withOpenssl(
      `a client without the certificate asked for gets the alert: ${ground}`,
      async () => {
        const port = await serve(ground, { requestCert: true, ca: certificate().cert });
        const all = await repeated(() => talk(port, '', versions));
        const alert = {
          'TLSv1.2': ' ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
          'TLSv1.3': ' ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
        };
        expect(all).toEqual([alert[version]]);
      },
    );
  }

  withOpenssl('a server of node:tls on our streams says why it refuses', async () => {
    const tcp = new TcpServer({ port: 0 });
    const given = { ...certificate(), ...versions, requestCert: true, ca: certificate().cert };
    const tls = createTls(given, (socket) => socket.end('welcome'));
    tls.on('tlsClientError', () => {});
    tcp.on('connection', (connection) => tls.emit('connection', new FdDuplex(connection)));
    closing.push(async () => {
      tcp.destroy();
      await until(() => tcp.connections.size === 0);
    });
    const [refused, ...others] = await repeated(() => talk(tcp.port, '', versions));
    expect([refused, others]).toEqual([expect.stringMatching(/ALERT_(HANDSHAKE|CERT)/), []]);
    expect(await repeated(() => talk(tcp.port, '', { ...versions, ...certificate() }))).toEqual([
      'welcome',
    ]);
  });

  withOpenssl('our client hears what a server of node says last', async () => {
    const port = await serve('node', {});
    const all = await repeated(async () => {
      const stream = new FdDuplex(await connect({ port, connectTimeoutMs: 20_000 }));
      const given = { ca: certificate().cert, servername: 'localhost', ...versions };
      return heard(connectTls({ socket: stream as never, ...given }), 'garbage\r\n\r\n');
    });
    expect(all).toEqual(['HTTP/1.1 400 Bad Request']);
  });
});
