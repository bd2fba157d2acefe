/** A certificate for 127.0.0.1 and localhost, made anew for each run by openssl(1). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './programs';
import { testWith } from './requires';

export interface Certificate {
  key: string;
  cert: string;
}

/** The program that makes it, or null. */
export const OPENSSL = findProgram('openssl');

/** A test that needs {@link certificate}. */
export const withOpenssl = testWith(OPENSSL, 'openssl');

let made: Certificate | undefined;

/** One for all tests of a file, made when it is first asked for. */
export function certificate(): Certificate {
  made ??= makeCertificate();
  return made;
}

/** Throws where there is no {@link OPENSSL}. */
export function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    const whom = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    const how = ['-nodes', '-days', '2', '-keyout', key, '-out', cert];
    execFileSync('openssl', [...what, ...whom, ...how], { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
