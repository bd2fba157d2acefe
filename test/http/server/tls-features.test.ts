/** What TLS can do besides enciphering, on our connections beside node's own https: the same. */
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type TLSSocket,
} from 'node:tls';
import { serveHttps } from '../../../src/http/server/serve-https';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { certificate, makeCertificate, withOpenssl } from '../../support/certificate';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const GROUNDS = ['node', 'ours'] as const;
type Ground = (typeof GROUNDS)[number];
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Served {
  port: number;
  https: Server;
  /** What went wrong in handshakes. */
  errors: string[];
}

/** A server that answers with what it knows of its client's TLS. */
async function serve(ground: Ground, options: ServerOptions): Promise<Served> {
  const tcp = ground === 'ours' ? new TcpServer({ port: 0 }) : null;
  const given = { ...certificate(), ...options };
  const https = tcp === null ? createServer(given) : serveHttps(tcp, given);
  https.on('request', ({ socket }, response) => {
    const { authorized, alpnProtocol, servername } = socket as TLSSocket & { servername?: unknown };
    const isReused = (socket as TLSSocket).isSessionReused();
    const peer = (socket as TLSSocket).getPeerCertificate().subject?.CN ?? null;
    response.end(JSON.stringify({ authorized, alpnProtocol, servername, isReused, peer }));
  });
  const errors: string[] = [];
  https.on('tlsClientError', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
  if (tcp === null) {
    https.listen(0, '127.0.0.1');
    await next(https, 'listening');
  }
  closing.push(async () => {
    https.closeAllConnections();
    tcp?.destroy();
    if (tcp !== null) return until(() => tcp.connections.size === 0);
    https.close();
    await next(https, 'close');
  });
  return { port: tcp?.port ?? (https.address() as AddressInfo).port, https, errors };
}

interface Visit {
  /** What the server said, or the code of an error. */
  said: string;
  alpn: string | false | null;
  /** The common name of the server's certificate. */
  server: string | undefined;
  sessions: Buffer[];
}

/** One request over a connection of its own. */
async function visit({ port }: Served, options: ConnectionOptions = {}): Promise<Visit> {
  const whom = { host: '127.0.0.1', port, ca: certificate().cert, servername: 'localhost' };
  const socket = connectTls({ ...whom, ...options });
  const visit: Visit = { said: '', alpn: null, server: undefined, sessions: [] };
  let text = '';
  socket.on('session', (session) => visit.sessions.push(session));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    text += `\r\n\r\n${error.code}`;
  });
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.once('secureConnect', () => {
    visit.alpn = socket.alpnProtocol;
    visit.server = socket.getPeerCertificate().subject?.CN as string | undefined;
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  });
  await next(socket, 'close');
  visit.said = text.slice(text.indexOf('\r\n\r\n') + 4);
  return visit;
}

/** What both grounds make of it; expects them to agree. */
async function both<T>(options: ServerOptions, what: (served: Served) => Promise<T>): Promise<T> {
  const [node, ours] = [await serve('node', options), await serve('ours', options)];
  const expected = await what(node);
  expect(await what(ours)).toEqual(expected);
  return expected;
}

describe.each(VERSIONS)('%s', (version) => {
  const versions = { minVersion: version, maxVersion: version };

  withOpenssl('mutual TLS: who has the certificate, who has none, who has another', async () => {
    const stranger = makeCertificate();
    const asked = { requestCert: true, ca: certificate().cert, ...versions };
    const visitors = async (served: Served): Promise<unknown[]> => {
      const known = await visit(served, certificate());
      const none = await visit(served);
      const other = await visit(served, stranger);
      // What is heard of a refusal depends on what is read before a reset; see tls-last-words.test.ts.
      return [known, none, other].map(({ said }) => (said.startsWith('{') ? said : 'refused'));
    };
    const strict = await both(asked, visitors);
    expect(strict).toEqual([expect.stringContaining('"authorized":true'), 'refused', 'refused']);
    const lenient = await both({ ...asked, rejectUnauthorized: false }, visitors);
    expect(lenient).toEqual([
      expect.stringMatching(/"authorized":true.*"peer":"localhost"/),
      expect.stringMatching(/"authorized":false.*"peer":null/),
      expect.stringMatching(/"authorized":false.*"peer":"localhost"/),
    ]);
  });

  withOpenssl('a session is resumed by its ticket', async () => {
    const reused = await both(versions, async (served) => {
      const { sessions, said } = await visit(served);
      const session = sessions.at(-1);
      const again = session === undefined ? null : await visit(served, { session });
      return [said, again?.said];
    });
    expect(reused).toEqual([
      expect.stringContaining('"isReused":false'),
      expect.stringContaining('"isReused":true'),
    ]);
  });

  withOpenssl('SNI chooses the certificate, also late; a refusal is one', async () => {
    const other = makeCertificate();
    const contexts: Record<string, unknown> = {
      localhost: null,
      other: createSecureContext(other),
    };
    const SNICallback: ServerOptions['SNICallback'] = (name, done) => {
      setImmediate(() => {
        if (name in contexts) done(null, contexts[name] as never);
        else done(new Error('nobody of that name'));
      });
    };
    const checkServerIdentity = (): undefined => undefined;
    const seen = await both({ ...versions, SNICallback }, async (served) => {
      const own = await visit(served);
      const its = await visit(served, { servername: 'other', ca: other.cert, checkServerIdentity });
      const wrong = await visit(served, { servername: 'other', checkServerIdentity });
      const none = await visit(served, { servername: 'none' });
      return [own.said, its.said, wrong.said, none.said, served.errors.length > 0];
    });
    expect(seen).toEqual([
      expect.stringContaining('"servername":"localhost"'),
      expect.stringContaining('"servername":"other"'),
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'ECONNRESET',
      true,
    ]);
  });

  withOpenssl('ALPN: what both speak, nothing offered, nothing in common', async () => {
    const ALPNProtocols = ['x', 'http/1.1'];
    const seen = await both({ ...versions, ALPNProtocols }, async (served) => {
      const tried: unknown[] = [];
      for (const offered of [['http/1.1', 'x'], ['http/1.1'], undefined, ['y']]) {
        const options = offered === undefined ? {} : { ALPNProtocols: offered };
        const { said, alpn } = await visit(served, options);
        tried.push(alpn, said.startsWith('{') ? JSON.parse(said).alpnProtocol : said);
      }
      return tried;
    });
    expect(seen.slice(0, 6)).toEqual(['x', 'x', 'http/1.1', 'http/1.1', false, false]);
    expect(seen.at(-1)).toMatch(/^ERR_SSL_.*NO_APPLICATION_PROTOCOL/);
  });
});

withOpenssl('a session of TLS 1.2 is resumed by its id, stored by the program', async () => {
  const { SSL_OP_NO_TICKET } = (await import('node:crypto')).constants;
  const options = { maxVersion: 'TLSv1.2', secureOptions: SSL_OP_NO_TICKET } as const;
  const reused = await both(options, async (served) => {
    const stored = new Map<string, Buffer>();
    served.https.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
      stored.set(id.toString('hex'), data);
      setImmediate(done);
    });
    served.https.on('resumeSession', (id: Buffer, done: (error: null, data: unknown) => void) => {
      setImmediate(done, null, stored.get(id.toString('hex')) ?? null);
    });
    const { sessions, said } = await visit(served);
    const again = await visit(served, { session: sessions.at(-1) as Buffer });
    stored.clear();
    const forgotten = await visit(served, { session: sessions.at(-1) as Buffer });
    return [said, again.said, forgotten.said].map((text) => JSON.parse(text).isReused);
  });
  expect(reused).toEqual([false, true, false]);
});

withOpenssl(
  'a client may renegotiate three times; the fourth is an attack, as with node',
  async () => {
    const said = await both({ maxVersion: 'TLSv1.2' }, async ({ port, https }) => {
      const log: string[] = [];
      https.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        log.push(`clientError ${error.code}`);
        socket.destroy();
      });
      const socket = connectTls({
        host: '127.0.0.1',
        port,
        ca: certificate().cert,
        servername: 'localhost',
      });
      socket.on('error', () => {});
      const closed = next(socket, 'close').then(() => 'closed');
      await next(socket, 'secureConnect');
      for (let outcome = ''; outcome !== 'closed'; ) {
        const agreed = new Promise<string>((done) => {
          socket.renegotiate({}, (error) => done(error === null ? 'agreed' : 'closed'));
        });
        outcome = await Promise.race([agreed, closed]);
        log.push(outcome);
        if (outcome === 'closed') break;
        // What comes behind it is served.
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        let answer = '';
        while (!answer.endsWith('}'))
          answer += (await next<[Buffer]>(socket, 'data'))[0].toString();
      }
      await until(() => log.length === 5);
      return log.sort();
    });
    expect(said).toEqual([
      'agreed',
      'agreed',
      'agreed',
      'clientError ERR_TLS_SESSION_ATTACK',
      'closed',
    ]);
  },
);
