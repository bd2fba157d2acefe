/**
 * A mail from the npm package `nodemailer` to the npm package `smtp-server`, both over streams on our
 * connections: libraries that know nothing of this package, and take the streams for sockets.
 */
import { randomBytes } from 'node:crypto';
import { createTransport, type Transporter } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { makeCertificate, OPENSSL } from '../../support/certificate';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

interface Mail {
  from: string;
  to: string[];
  bytes: Buffer;
  secure: boolean;
}

let tcp: TcpServer;
let smtp: SMTPServer;
let mails: Mail[];
let transport: Transporter | null = null;

/** Without openssl STARTTLS is offered with the package's own certificate, which it warns of. */
const certificate = OPENSSL === null ? {} : makeCertificate();

/** A mail server on our connections. */
beforeEach(() => {
  mails = [];
  smtp = new SMTPServer({
    ...certificate,
    authOptional: true,
    disableReverseLookup: true,
    onData(stream, { envelope, secure }, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        const to = rcptTo.map(({ address }) => address);
        mails.push({ from, to, bytes: Buffer.concat(chunks), secure });
        callback();
      });
    },
  });
  smtp.on('error', () => {});
  tcp = new TcpServer({ port: 0 });
  tcp.on('connection', (connection) => {
    // A net.Server's sockets end when their peer does, and this library counts on it.
    smtp.server.emit('connection', new FdDuplex(connection, { allowHalfOpen: false }));
  });
});
afterEach(async () => {
  transport?.close();
  await until(() => tcp.connections.size === 0);
  tcp.destroy();
});

function mailer(options: object): Transporter {
  transport = createTransport({
    host: '127.0.0.1',
    port: tcp.port,
    tls: { rejectUnauthorized: false },
    ...options,
    getSocket(_options: unknown, callback: (error: Error | null, socket?: object) => void) {
      connect({ port: tcp.port, connectTimeoutMs: 20_000 }).then(
        (connection) => callback(null, { connection: new FdDuplex(connection) }),
        (error: Error) => callback(error),
      );
    },
  } as object);
  return transport;
}

/** A message with everything that is special in SMTP: leading dots, long lines, all bytes as base64. */
function message(bytes: number): Buffer {
  const body = randomBytes(bytes).toString('base64').replace(/.{76}/g, '$&\r\n');
  const lines = ['Subject: exact', '', '.', '..', '.leading dot', 'x'.repeat(900), body, ''];
  return Buffer.from(lines.join('\r\n'));
}

describe.each([
  ['plain', { ignoreTLS: true }],
  ['with STARTTLS', { requireTLS: true }],
])('%s', (kind, options) => {
  test('a mail of 3 MB arrives byte for byte', async () => {
    const raw = message(3_000_000);
    const envelope = { from: 'ada@example.org', to: ['bob@example.org', 'eve@example.org'] };
    const info = await mailer(options).sendMail({ envelope, raw });
    expect(info.accepted).toEqual(envelope.to);
    expect(mails).toHaveLength(1);
    const [mail] = mails as [Mail];
    expect([mail.from, mail.to]).toEqual([envelope.from, envelope.to]);
    expect(mail.secure).toBe(kind === 'with STARTTLS');
    expect(mail.bytes.equals(raw)).toBe(true);
  }, 60_000);

  test('ten over one connection of a pool', async () => {
    let accepted = 0;
    tcp.on('connection', () => {
      accepted += 1;
    });
    const pool = mailer({ ...options, pool: true, maxConnections: 1 });
    const raws = Array.from({ length: 10 }, (_, index) => message(1_000 * index));
    const envelope = { from: 'ada@example.org', to: ['bob@example.org'] };
    await Promise.all(raws.map((raw) => pool.sendMail({ envelope, raw })));
    expect(mails.map(({ bytes }) => bytes.toString())).toEqual(raws.map(String));
    expect(accepted).toBe(1);
  }, 60_000);
});

test('a server that is gone: ECONNREFUSED reaches the sender', async () => {
  const sender = mailer({});
  tcp.destroy();
  const envelope = { from: 'ada@example.org', to: ['bob@example.org'] };
  await expect(sender.sendMail({ envelope, raw: 'x' })).rejects.toMatchObject({
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('a server that cuts in the middle fails the mail', async () => {
  tcp.removeAllListeners('connection');
  tcp.on('connection', (connection) => {
    const stream = new FdDuplex(connection);
    stream.on('error', () => {});
    stream.write('220 welcome\r\n');
    stream.once('data', () => stream.resetAndDestroy());
  });
  const envelope = { from: 'ada@example.org', to: ['bob@example.org'] };
  await expect(mailer({}).sendMail({ envelope, raw: 'x' })).rejects.toThrow();
});
