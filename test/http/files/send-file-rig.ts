/** A server that sends the file which a request names, and notes how that ended. */
import { closeSync, openSync } from 'node:fs';
import type { IncomingHttpHeaders, Server } from 'node:http';
import { join } from 'node:path';
import { type FileOutcome, sendFile } from '../../../src/http/files/send-file';
import type { SendFileOptions } from '../../../src/http/files/send-file-options';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { makeFolder } from '../../support/folder';
import { type Answer, ask } from '../../support/http-client';
import { until } from '../../support/until';

export const MIB = 1024 * 1024;
export let tcp: TcpServer;
export let http: Server;
export let folder: string;
export let asked: number;
export let outcomes: FileOutcome[];
export let failures: (Error & { code?: string })[];
export let options: SendFileOptions;

/** What the path of a request names is sent. */
beforeEach(() => {
  folder = makeFolder();
  asked = 0;
  outcomes = [];
  failures = [];
  options = {};
  tcp = new TcpServer({ port: 0, trigger: 'edge' });
  http = serveHttp(tcp, {}, (request, response) => {
    asked += 1;
    sendFile(response, join(folder, request.url ?? ''), options).then(
      (outcome) => outcomes.push(outcome),
      (error: Error) => {
        failures.push(error);
        response.writeHead(404).end('nothing');
      },
    );
  });
});

afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

export const get = (
  path: string,
  headers: IncomingHttpHeaders = {},
  method = 'GET',
): Promise<Answer> => ask({ port: tcp.port, path, headers, method });

export const requestOf = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** The path of a new, empty file. */
export function createEmpty(name: string): string {
  const path = join(folder, name);
  closeSync(openSync(path, 'w'));
  return path;
}
