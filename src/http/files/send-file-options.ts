/** Options of an answer with a file, and their defaults. */
import { extname } from 'node:path';
import { contentType as typeOf } from 'mime-types';
import { z } from 'zod';
import { dateField } from '../../base/option-fields';
import { parseOptions } from '../../base/options';

/** Options of {@link sendFile}, and of each file of {@link serveFiles}. */
export interface SendFileOptions {
  /** Answer requests for parts (`Range`); true if not given. */
  range?: boolean;
  /**
   * `ETag`: true, the default, for a tag of the size and the second of the last change, equal on
   * each server that has the file, and equal to nginx's; `'exact'` for a tag that also differs for
   * another file of the same size and time, and so from server to server; a string for your own
   * tag, with its quotes; false for none. Ours is weak for the first two seconds after a change.
   */
  etag?: boolean | string;
  /** `Last-Modified`: true, the default, for the file's time; a date of your own; false for none. */
  lastModified?: boolean | Date;
  /** `Content-Type`; if not given, by the ending of the path, or application/octet-stream. */
  contentType?: string;
}

/** The value of {@link SendFileOptions.etag} for an exact tag. */
export const EXACT = 'exact';

const ETAG = /^(?:exact|(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")$/;

/** The fields of {@link SendFileOptions}, for schemas of other options. */
export const sendFileOptionFields = {
  range: z.boolean().default(true),
  etag: z
    .union([
      z.boolean(),
      z.string().regex(ETAG, { error: "expected an entity tag, with its quotes, or 'exact'" }),
    ])
    .default(true),
  lastModified: z.union([z.boolean(), dateField]).default(true),
};

const schema = z.strictObject({
  ...sendFileOptionFields,
  contentType: z.string().min(1).optional(),
});

/** Checked options. */
export type FileSettings = z.output<typeof schema> & { contentType: string };

/** Check `options` for a file of this path; null if it has none. Throws a TypeError. */
export function fileSettings(options: SendFileOptions, path: string | null): FileSettings {
  const { contentType, ...rest } = parseOptions('sendFile', schema, options);
  return { ...rest, contentType: contentType ?? typeOfPath(path) };
}

/** The `Content-Type` for the ending of `path`. */
export function typeOfPath(path: string | null): string {
  const ending = path === null ? '' : extname(path);
  return (ending !== '' && typeOf(ending)) || 'application/octet-stream';
}
