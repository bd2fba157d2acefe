/** One request of node:http's or node:https' own client, with its whole answer. */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';

export interface Answer {
  status: number | undefined;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** Ask 127.0.0.1, by `node:https` if the options are a client's of TLS (`ca`). */
export function ask(options: RequestOptions, body?: Buffer | string): Promise<Answer> {
  const request = options.ca === undefined ? httpRequest : httpsRequest;
  const sent = request({ host: '127.0.0.1', agent: false, ...options });
  sent.end(body);
  return answerTo(sent);
}

/** The answer to a request; an answer that is cut short is an error. */
export function answerTo(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => collect(response).then(resolve, reject));
  });
}

/** The whole of an answer that begins; rejects if it is cut short. */
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
