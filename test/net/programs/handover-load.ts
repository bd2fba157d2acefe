/**
 * Clients that connect, ask, are answered and closed, again and again; run by handover.test.ts.
 *
 *   handover-load.ts PORT|PATH
 *
 * Prints after each hundred answers who has given how many, and what went wrong how often. Ends with
 * its input.
 */
import { connect, type NetConnectOpts } from 'node:net';

const where = process.argv[2] ?? '';
const options: NetConnectOpts = /^\d+$/.test(where)
  ? { port: Number(where), host: '127.0.0.1' }
  : { path: where };
const PARALLEL = 8;
const answers: Record<string, number> = {};
const failures: Record<string, number> = {};
let count = 0;
let isOver = false;

function exchange(): Promise<void> {
  return new Promise((resolve) => {
    let answer = '';
    let code: string | undefined;
    const socket = connect(options, () => socket.write('?'));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on('close', () => {
      const outcome = code ?? (answer === '' ? 'no answer' : undefined);
      if (outcome === undefined) answers[answer] = (answers[answer] ?? 0) + 1;
      else failures[outcome] = (failures[outcome] ?? 0) + 1;
      count += 1;
      if (count % 100 === 0) report();
      resolve();
    });
  });
}

function report(): void {
  console.log(JSON.stringify({ answers, failures }));
}

async function ask(): Promise<void> {
  while (!isOver) await exchange();
}

process.stdin.resume().once('end', () => {
  isOver = true;
});
void Promise.all(Array.from({ length: PARALLEL }, ask)).then(report);
