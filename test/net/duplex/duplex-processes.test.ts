/** The stdio of processes as streams, and streams in workers. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ROOT, runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { pair } from '../../support/fds';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { sha } from '../../support/sha';
import { next } from '../../support/until';
import { copy, duplex, pipe, SLOW_MS } from './fds-rig';

expectNoFdLeaks();

const cat = findProgram('cat');

test.each(['a pipe', 'a socket'])(
  'stdin of a child, which is %s, and stdout',
  async (kind) => {
    const child = runTs('test/net/programs/duplex-stdio.ts', {
      command: kind === 'a pipe' ? ['sh', '-c', 'cat | "$@" | cat', 'sh'] : [],
    });
    await child.printed(/ready/, SLOW_MS);
    child.process.stdin?.write('first\n');
    await child.printed(/FIRST/, SLOW_MS);
    child.process.stdin?.end('second\n');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect(child.stdout).toBe('ready\nFIRST\nSECOND\n');
    expect(child.stderr).toContain('closed, and 0 and 1 are open\n');
  },
  SLOW_MS,
);

testWith(cat, 'cat')(
  'the stdio of a child that we spawn: both of its pipes as one stream',
  async () => {
    const [input, output] = [pipe(), pipe()];
    const child = spawn(cat as string, { stdio: [input.reader, output.writer, 'inherit'] });
    closeSync(input.reader);
    closeSync(output.writer);
    const stream = duplex({ readFd: output.reader, writeFd: input.writer });
    const sent = randomBytes(3_000_000);
    stream.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(sha(Buffer.concat(chunks))).toBe(sha(sent));
    if (child.exitCode === null) await next(child, 'exit');
  },
);

test(
  'in a worker, which leaves nothing open when it is terminated',
  async () => {
    const { reader, writer } = pipe();
    const [own] = pair();
    const worker = new Worker(join(ROOT, 'test/net/programs/duplex-worker.ts'), {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: { readFd: reader, socket: copy(own) },
    });
    expect(await next(worker, 'message')).toEqual(['ready']);
    writeSync(writer, 'to the worker');
    expect(await next(worker, 'message')).toEqual(['to the worker']);
    await worker.terminate();
    // The worker's were the only reading end and the stream's socket.
    expect(() => writeSync(writer, 'x')).toThrow(expect.objectContaining({ code: 'EPIPE' }));
    closeSync(writer);
  },
  SLOW_MS,
);
