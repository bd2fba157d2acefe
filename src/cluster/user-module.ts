/**
 * Loads the user's module in the thread or the process that runs it, whether it is CommonJS or ESM, `.js`
 * or `.ts`. Imports nothing: each thread would load that too.
 */

/** The exports of a module, by name. */
export type Exports = Record<string, unknown>;

/** `import()` that TypeScript does not make a `require` of. */
const importModule = new Function('specifier', 'return import(specifier)') as (
  specifier: string,
) => Promise<Exports>;

/** Returns the exports of the file at `path`. An exception of the file is passed on. */
export async function loadModule(path: string): Promise<Exports> {
  if (/\.m[jt]s$/.test(path)) return importModule(path);
  try {
    return require(path) as Exports;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_REQUIRE_ESM') throw error;
    return importModule(path);
  }
}

/** The function `name` of a module, also of its default export; undefined if there is none. */
export function functionOf<F>(exports: Exports, name: string): F | undefined {
  for (const holder of [exports, exports['default']]) {
    const value = (holder as Exports | null | undefined)?.[name];
    if (typeof value === 'function') return value as F;
  }
  return undefined;
}
