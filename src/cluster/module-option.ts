/** The option `module` of what runs the user's module elsewhere: looked for before anything is started. */
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The option `module`: the absolute path of a file that is there, or its `file:` URL. */
export const moduleField = z
  .union([z.string(), z.instanceof(URL)], { error: 'expected the path of a module' })
  .transform((value) => pathOf(value))
  .refine((path) => isAbsolute(path), {
    error: 'expected an absolute path, as of require.resolve()',
  })
  .refine((path) => isFile(path), { error: 'expected a file that exists' });

function pathOf(value: string | URL): string {
  try {
    return value instanceof URL || value.startsWith('file:') ? fileURLToPath(value) : value;
  } catch {
    return String(value);
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
