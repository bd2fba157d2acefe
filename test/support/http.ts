/** Requests of node:http's own client, and files to ask for. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';

export interface Answer {
  status: number | undefined;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** One request; rejects if the answer is cut short. */
export function ask(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      collect(response).then(resolve, reject);
    });
    request.on('error', reject);
    request.end();
  });
}

/** The whole answer. */
export function collect(response: IncomingMessage): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const { statusCode: status, headers } = response;
      resolve({ status, headers, body: Buffer.concat(chunks) });
    });
  });
}

/** A file with random bytes, which was written long ago. Returns the bytes. */
export function writeOld(path: string, content: number | string): Buffer {
  const bytes = typeof content === 'number' ? randomBytes(content) : Buffer.from(content);
  writeFileSync(path, bytes);
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  return bytes;
}

/** How many fds of this process are open on `path`. */
export function openCount(path: string): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false;
    }
  }).length;
}

export const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
