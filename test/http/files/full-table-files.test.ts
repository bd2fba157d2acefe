/** Files are served when the process has no fds left but those that are kept for them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, runTs } from '../../support/child';
import { client } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { ask } from '../../support/http-client';
import { next } from '../../support/until';

expectNoFdLeaks();

const folder = mkdtempSync(join(tmpdir(), 'files-'));
const BIG_BYTES = 20_000_000;
writeFileSync(join(folder, 'a.txt'), 'the file');
writeFileSync(join(folder, 'big.bin'), Buffer.alloc(BIG_BYTES));
afterAll(() => rmSync(folder, { recursive: true }));

let child: Child;
let port: number;
/** Connections that were open before the table was full. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
beforeEach(async () => {
  child = runTs(join(__dirname, '../programs/full-table-files.ts'), { args: [folder] });
  port = Number((await child.printed(/port (\d+)/))[1]);
});
afterEach(async () => {
  agent.destroy();
  child.process.stdin?.end();
  await child.exit();
});

async function command(name: string, answer: RegExp): Promise<RegExpExecArray> {
  child.process.stdin?.write(`${name}\n`);
  return child.printed(answer);
}

async function get(path: string): Promise<string> {
  const { status, body } = await ask({ port, path, agent });
  return `${status} ${body}`;
}

/** Begins to read a file that no buffer of the kernel holds, and stops. */
async function slowReader(socket: Socket): Promise<void> {
  socket.write('GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n');
  await next(socket, 'readable');
}

test('each request of a file is answered, also beside files that stay open', async () => {
  expect(await get('/a.txt')).toBe('200 the file');
  const slow = [await client(port), await client(port)];
  await command('fill', /filled/);
  const answers = async (): Promise<void> => {
    for (let count = 0; count < 5; count += 1) {
      expect(await get('/a.txt')).toBe('200 the file');
      expect(await get('/send/a.txt')).toBe('200 the file');
    }
    expect(await get('/none.txt')).toMatch(/^404/);
  };
  await answers();
  for (const socket of slow) await slowReader(socket);
  await answers();
  await command('empty', /emptied/);
  await answers();
  for (const socket of slow) socket.destroy();
  agent.destroy();
  // What was kept goes with the server: four, and the one of its listener.
  expect((await command('stop', /gave (-?\d+)/))[1]).toBe('5');
});
