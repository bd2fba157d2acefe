/**
 * The root of {@link serveFiles}: the folder that was there at the beginning, and no other that is put
 * in its place. No fd is held, as nothing would close it: the path is looked at again for each request,
 * after the file was found there and before any of it is read, with one stat(2). So a folder that took
 * the root's place before the file was looked for is seen here.
 *
 * This is the place for a root that is to be followed, as a symbolic link which a deployment switches:
 * it would be resolved anew here.
 */
import { type BigIntStats, realpathSync, statSync } from 'node:fs';
import { invalidType } from '../../base/check';
import { isSameFile } from '../../net/socket/same-file';
import { errno, SystemError } from '../../sys/errno';

/** A folder and where it was found. */
export class RootFolder {
  /** Absolute, without symbolic links: neither chdir(2) nor a link that is switched changes it. */
  readonly path: string;
  /** The path as /proc gives paths: see truePath. */
  readonly bytes: string;
  readonly #stats: BigIntStats;

  /** Throws a TypeError for what is no text, and ENOENT, ENOTDIR and so on. */
  constructor(root: string) {
    if (typeof root !== 'string') throw invalidType('root', 'a string', root);
    this.path = realpathSync(root);
    this.bytes = Buffer.from(this.path).toString('latin1');
    this.#stats = statSync(this.path, { bigint: true });
    if (this.#stats.isDirectory()) return;
    throw new SystemError('open', errno.ENOTDIR, { reason: `${root} is not a directory` });
  }

  /** Throws ESTALE if the folder is not at its path any more. */
  check(): void {
    if (isSameFile(this.#stats, this.#now())) return;
    const reason = `${this.path} is not the folder any more that it was`;
    throw new SystemError('stat', errno.ESTALE, { reason });
  }

  #now(): BigIntStats | undefined {
    try {
      return statSync(this.path, { bigint: true, throwIfNoEntry: false });
    } catch {
      // A folder above may not be searched any more, or is none.
      return undefined;
    }
  }
}
