/** Sequences of a client's actions, played to node:http on node:net and on our streams. */
import type { ServerOptions } from 'node:http';
import { type Ground, type Log, RawClient, Rig } from '../../support/http-rig';

export interface Sequence {
  options?: ServerOptions;
  run(rig: Rig, client: RawClient): Promise<void>;
}

export const get = (path: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
export const post = (length: number, headers = ''): string =>
  `POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n${headers}\r\n`;
export const UPGRADE = get('/up', 'Connection: Upgrade\r\nUpgrade: raw\r\n');
export const LONG = 'x'.repeat(1_000_000);

/** Answer each request with its path. */
export function answering(rig: Rig): void {
  rig.http.on('request', (request, response) => {
    rig.follow(request, response);
    response.end(`<${request.url}>`);
  });
}

/** Take each request, and leave it to the test; what it has is read. */
export function holding(rig: Rig): { waiting: (() => void)[]; received: () => number } {
  const waiting: (() => void)[] = [];
  let received = 0;
  rig.http.on('request', (request, response) => {
    rig.follow(request, response);
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    waiting.push(() => response.end(`<${request.url}>`));
  });
  return { waiting, received: () => received };
}

async function play(ground: Ground, { options, run }: Sequence): Promise<[Log, string]> {
  const rig = new Rig(ground, options);
  const client = new RawClient(await rig.listening());
  await run(rig, client);
  await rig.idle();
  // What follows a close comes in the next ticks.
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
  const played: [Log, string] = [structuredClone(rig.log), client.text];
  client.socket.destroy();
  await rig.close();
  return played;
}

/** Each sequence, on node:net and on ours: the same for its program and its client. */
export function expectAsNode(sequences: Record<string, Sequence>): void {
  describe.each(Object.entries(sequences))('%s', (_name, sequence) => {
    test.each(['level', 'edge'] as const)('%s-triggered', async (trigger) => {
      const [theirs, ours] = [await play('node', sequence), await play(trigger, sequence)];
      expect(ours).toEqual(theirs);
    });
  });
}
