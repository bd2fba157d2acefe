/** TypeScript of this checkout as JavaScript, for processes that start as fast as a user's. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';

const ROOT = join(__dirname, '../..');
const compilerOptions = {
  module: ModuleKind.CommonJS,
  target: ScriptTarget.ES2022,
  esModuleInterop: true,
};

/** `src` and the folder `test/<name>` in a new temporary folder, which is the caller's to remove. */
export function transpiled(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  for (const root of ['src', join('test', name)]) {
    for (const file of readdirSync(join(ROOT, root), { encoding: 'utf8', recursive: true })) {
      if (!file.endsWith('.ts')) continue;
      const target = join(folder, root, file.replace(/ts$/, 'js'));
      const { outputText } = transpileModule(readFileSync(join(ROOT, root, file), 'utf8'), {
        compilerOptions,
      });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, outputText);
    }
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
