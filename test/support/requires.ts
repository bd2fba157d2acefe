/**
 * Tests that need something the machine may not have. Where it is missing they are counted as
 * skipped, and their name says what is missing.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program on the PATH, or null. */
export function findProgram(...names: string[]): string | null {
  for (const name of names) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not there: look further.
      }
    }
  }
  return null;
}

/** `test`, or a skipped one that says which program it needs. */
export function testWith(
  program: string | null,
  wanted: string,
): (name: string, body: jest.ProvidesCallback, timeoutMs?: number) => void {
  return (name, body, timeoutMs) => {
    if (program !== null) test(name, body, timeoutMs);
    else test.skip(`${name} (needs ${wanted})`, body);
  };
}
