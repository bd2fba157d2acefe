/**
 * The root of {@link serveFiles}: the first folder at the path, and no other one that takes its
 * place. No fd is held, because nothing would close it. Each request checks the path with one
 * stat(2), after the file was found there and before any of it is read. So a folder that took the
 * root's place before the search is noticed here.
 *
 * A root that must be followed, such as a symbolic link that a deployment switches, would be
 * resolved again here.
 */
import { type BigIntStats, realpathSync, statSync } from 'node:fs';
import { invalidType } from '../../base/check';
import { isSameFile } from '../../net/socket/same-file';
import { errno, SystemError } from '../../sys/errno';

/** A folder and its path. */
export class RootFolder {
  /** Absolute, without symbolic links: neither chdir(2) nor a link that is switched changes it. */
  readonly path: string;
  /** The path in /proc's form: see truePath. */
  readonly bytes: string;
  readonly #stats: BigIntStats;

  /** Throws a TypeError if `root` is not a string, and ENOENT, ENOTDIR and so on. */
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
      // A parent folder cannot be searched any more, or is not a folder.
      return undefined;
    }
  }
}
