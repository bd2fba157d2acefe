/** Runs the examples about protocol libraries on our loop, as their headers say. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate, OPENSSL } from '../support/certificate';
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { makeFolder } from '../support/folder';
import { ask } from '../support/http-client';
import { testWith } from '../support/requires';

expectNoFdLeaks();

testWith(OPENSSL, 'openssl')(
  'https-on-epoll: gives back what it is sent, encrypted',
  async () => {
    const folder = makeFolder();
    const { key, cert } = makeCertificate();
    const [KEY, CERT] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    writeFileSync(KEY, key);
    writeFileSync(CERT, cert);
    const child = runTs('examples/https-on-epoll.ts', { env: { PORT: '0', KEY, CERT } });
    const [, port] = await child.printed(/listening at https:.*:(\d+)/, 120_000);
    const options = { port, path: '/echo', method: 'POST', ca: cert };
    const { status, body } = await ask(options, 'hello');
    expect([status, body.toString()]).toEqual([200, 'hello']);
    await child.printed(/^POST \/echo for 127.0.0.1$/m);
    child.kill('SIGINT');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
  },
  120_000,
);
