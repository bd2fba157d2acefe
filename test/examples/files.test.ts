/** Runs the examples of files, terminals, links and pressure as their headers say. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Pty } from '../../src/watch/stream/pty';
import { burn } from '../support/burners';
import { ROOT, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { makeFolder } from '../support/folder';
import { IN_NAMESPACE } from '../support/namespace';
import { testWith } from '../support/requires';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next, until } from '../support/until';

expectNoFdLeaks();

test('raw-keys: each key at once, without echo, and the modes put back', async () => {
  using pty = new Pty();
  const slave = pty.openSlave();
  const words = [...RUNS_TYPESCRIPT, 'examples/raw-keys.ts'];
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: [slave, slave, slave] });
  const exit = next(child, 'exit');
  let screen = '';
  pty.on('data', (chunk) => {
    screen += chunk;
  });
  await until(() => screen === 'press keys, q ends\r\n', 15_000);
  for (const [typed, shown] of [
    ['a', 'key 61 "a"'],
    ['\x1b[A', 'key 1b 5b 41 "\\u001b[A"'],
    ['\x03', 'key 03 "\\u0003"'],
  ] as const) {
    pty.write(typed);
    await until(() => screen.endsWith(`\n${shown}\r\n`));
  }
  pty.write('q');
  expect(await exit).toEqual([0, null]);
  // In its own modes again: what is typed is echoed.
  pty.write('echoed');
  await until(() => screen.endsWith('"q"\r\nechoed'));
  closeSync(slave);
});

test('file-drop: a file is printed when it is complete, not before', async () => {
  const [folder, elsewhere] = [makeFolder(), makeFolder()];
  const child = runTs('examples/file-drop.ts', { args: [folder] });
  await child.printed(/watching/);
  writeFileSync(join(elsewhere, 'moved'), 'x'.repeat(5));
  renameSync(join(elsewhere, 'moved'), join(folder, 'moved'));
  await child.printed(/moved is complete: 5 bytes\n/);
  const copying = spawn('sh', ['-c', `exec > ${folder}/slow; printf one; read line; printf two`]);
  await until(() => existsSync(join(folder, 'slow')));
  writeFileSync(join(folder, 'quick'), 'quick');
  await child.printed(/quick is complete: 5 bytes\n/);
  expect(child.stdout).not.toMatch(/slow/);
  copying.stdin.end('\n');
  await child.printed(/slow is complete: 6 bytes\n/);
  child.kill('SIGINT');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});

testWith(IN_NAMESPACE?.join(' ') ?? null, 'a network namespace and veth')(
  'link-monitor: prints the existing links, and the changes',
  async () => {
    const script =
      'exec 3<&0; "$0" "$@" 3<&- & while read line <&3; do ip $line; done; kill -INT $!; wait $!';
    const command = [...(IN_NAMESPACE as string[]), 'bash', '-c', script];
    const child = runTs('examples/link-monitor.ts', { command });
    await child.printed(/^lo: down, mtu 65536\nthat is all/);
    const ip = (line: string): unknown => child.process.stdin?.write(`${line}\n`);
    ip('link set lo up');
    await child.printed(/lo: running/);
    await child.printed(/lo: \+127.0.0.1\/8/);
    ip('link add veth0 type veth peer name veth1');
    ip('link set veth0 up');
    await child.printed(/veth0: up, no carrier/);
    ip('link del veth0');
    await child.printed(/veth0: removed/);
    child.process.stdin?.end();
    expect(await child.exit()).toEqual({ code: 0, signal: null });
  },
);

testWith(existsSync('/proc/pressure/cpu') ? 'psi' : null, '/proc/pressure')(
  'memory-alarm: here with the CPU, which is easier to run out of',
  async () => {
    const child = runTs('examples/memory-alarm.ts', { env: { RESOURCE: 'cpu', STALL_MS: '100' } });
    await child.printed(/watching cpu: 100 ms in 2 s are too much/);
    burn(2 * availableParallelism());
    await child.printed(/alarm: tasks waited for cpu, [\d.]+ % of the last 10 s/);
    child.kill('SIGINT');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
  },
);
