/**
 * A worker with two copies of the package, as test runners load them: each with a global object of
 * its own. Run by two-copies.test.ts. One owns an fd that is closed behind its back, and the other
 * opens the number anew.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';

type Ownership = typeof import('../../../src/sys/ownership');
type Load = (module: { exports: unknown }, exports: unknown, require: NodeJS.Require) => void;

/** `ownership.ts` evaluated in a new global object. */
function copy(): Ownership {
  const file = join(__dirname, '../../../src/sys/ownership.ts');
  const compilerOptions = {
    module: ModuleKind.CommonJS,
    target: ScriptTarget.ES2022,
    esModuleInterop: true,
  };
  const { outputText } = transpileModule(readFileSync(file, 'utf8'), { compilerOptions });
  const code = `(function (module, exports, require) {${outputText}\n})`;
  const load = runInContext(code, createContext({ process })) as Load;
  const module = { exports: {} };
  load(module, module.exports, createRequire(join(dirname(file), 'ownership.ts')));
  return module.exports as Ownership;
}

const [first, second] = [copy(), copy()];
const fd = first.own(openSync('/dev/null', 'r'));
closeSync(fd);
const again = openSync('/dev/null', 'r');
second.own(again);
parentPort?.postMessage(again === fd);
