/** The JavaScript of `text`. */
export declare function transpile(text: string): string;
/** Put the JavaScript of the `roots` of this checkout, such as `src`, at the same places below `folder`. */
export declare function transpileInto(folder: string, roots: readonly string[]): void;
