/**
 * The blocks of code of the README, as scripts that can be run: which names each takes for granted,
 * and its JavaScript. The text itself is not changed.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { ROOT } from '../support/child';

export interface Block {
  language: 'ts' | 'js' | 'sh';
  /** The heading above it, and the line of the README where it begins. */
  title: string;
  text: string;
}

/** Every block of TypeScript, JavaScript and shell, in order. */
export function readBlocks(markdown: string): Block[] {
  const blocks: Block[] = [];
  const pattern = /^#+ (.*)$|^```(ts|js|sh)\n([\s\S]*?)^```$/gm;
  let heading = '';
  for (const { 1: title, 2: language, 3: text = '', index } of markdown.matchAll(pattern)) {
    if (title !== undefined) heading = title;
    if (language === undefined) continue;
    const line = markdown.slice(0, index).split('\n').length + 1;
    blocks.push({
      language: language as Block['language'],
      title: `${heading}, line ${line}`,
      text,
    });
  }
  return blocks;
}

/** The names that a script uses and does not declare; Node's own globals are among them. */
export function freeNames({ text, language }: Block): string[] {
  const name = `block.${language}`;
  const file = ts.createSourceFile(name, `${text}\nexport {};\n`, ts.ScriptTarget.ESNext, true);
  const options: ts.CompilerOptions = { noLib: true, noResolve: true, types: [], checkJs: true };
  const program = ts.createProgram([name], { ...options, allowJs: true }, hostOf(file));
  const names = program.getSemanticDiagnostics(file).flatMap(({ messageText }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, ' ');
    const pattern =
      /^(?:Cannot find name|No value exists in scope for the shorthand property) '(\w+)'/;
    return pattern.exec(message)?.slice(1) ?? [];
  });
  return [...new Set(names)];
}

function hostOf(file: ts.SourceFile): ts.CompilerHost {
  return {
    getSourceFile: (name) => (name === file.fileName ? file : undefined),
    fileExists: (name) => name === file.fileName,
    readFile: () => undefined,
    writeFile: () => {},
    getDefaultLibFileName: () => 'lib.d.ts',
    getCurrentDirectory: () => '/',
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
  };
}

/** Put the script of a block into `folder`. Returns its path. */
export function writeScript(folder: string, index: number, { text, language }: Block): string {
  const isTs = language === 'ts';
  const path = join(folder, `block-${index}.${isTs ? 'mjs' : 'cjs'}`);
  writeFileSync(path, isTs ? transpile(text, true) : text);
  return path;
}

/**
 * Make `folder` that of a user who has installed the package: transpiled, without a look at its
 * types, and beside it the packages that it and the blocks need.
 */
export function installInto(folder: string, others: readonly string[]): void {
  const modules = join(folder, 'node_modules');
  const home = join(modules, 'epoll-ffi');
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const source = join(ROOT, 'src');
  for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!/\.m?ts$/.test(name)) continue;
    const path = join(home, 'dist', name.replace(/ts$/, 'js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, transpile(readFileSync(join(source, name), 'utf8'), name.endsWith('.mts')));
  }
  writeFileSync(join(home, 'package.json'), manifest);
  for (const name of [...Object.keys(JSON.parse(manifest).dependencies), ...others]) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
}

/** JavaScript for Node 20, which has no `using`. */
export function transpile(text: string, isModule: boolean): string {
  const compilerOptions: ts.CompilerOptions = {
    // In this kind of module, `import()` stays what it is.
    module: ts.ModuleKind.Node16,
    target: ts.ScriptTarget.ES2022,
    esModuleInterop: true,
  };
  const fileName = isModule ? 'file.mts' : 'file.cts';
  return ts.transpileModule(text, { compilerOptions, fileName }).outputText;
}
