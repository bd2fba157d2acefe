/**
 * Options of things that mostly have none. For them the defaults are used, and neither a schema is
 * built nor zod loaded: loading zod takes longer than to load and start a loop.
 */
import type { z } from 'zod';
import { parseOptions } from './options';

/** The options of one owner. */
export class LazyOptions<S extends z.ZodType> {
  readonly #owner: string;
  readonly #defaults: z.output<S>;
  readonly #build: (zod: typeof z) => S;
  #schema: S | null = null;

  /** `defaults` must equal the result of the schema that `build` makes for `{}`. */
  constructor(owner: string, defaults: z.output<S>, build: (zod: typeof z) => S) {
    this.#owner = owner;
    this.#defaults = defaults;
    this.#build = build;
  }

  /** The schema, built at the first use. */
  get schema(): S {
    this.#schema ??= this.#build((require('zod') as { z: typeof z }).z);
    return this.#schema;
  }

  /** `options` checked and with their defaults; throws as {@link parseOptions}. */
  parse(options: unknown): z.output<S> {
    return isEmpty(options) ? this.#defaults : parseOptions(this.#owner, this.schema, options);
  }
}

function isEmpty(options: unknown): boolean {
  if (typeof options !== 'object' || options === null) return false;
  return (
    Object.getPrototypeOf(options) === Object.prototype && Reflect.ownKeys(options).length === 0
  );
}
