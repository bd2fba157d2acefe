/** Processes that burn CPU, ended after the test. */
import { type ChildProcess, spawn } from 'node:child_process';

const burning: ChildProcess[] = [];

export function stopBurning(): void {
  for (const child of burning.splice(0)) child.kill('SIGKILL');
}

afterEach(stopBurning);

/** Start `count` of them: more than there are CPUs make CPU pressure. */
export function burn(count: number): void {
  for (let index = 0; index < count; index += 1) {
    burning.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  }
}
