/**
 * The directories that {@link InotifyTree} watches, as a tree by name and a table by watch
 * descriptor. It does no I/O.
 *
 * A directory knows its name and its parent, not its path, so a rename moves everything below at
 * the cost of one. Names are kept as Latin-1 strings, one character per byte, because a file name
 * is bytes.
 */

/** One watched directory. */
export class Directory {
  readonly id: number;
  name: string;
  parent: Directory | null;
  /** The watched directories in it. */
  readonly children = new Map<string, Directory>();
  /** All names in it that were emitted, and whether each is a directory. */
  readonly names = new Map<string, boolean>();

  constructor(id: number, parent: Directory | null, name: string) {
    this.id = id;
    this.parent = parent;
    this.name = name;
  }

  /** The path of `name` in this directory, or of the directory itself. */
  pathOf(name = ''): Buffer {
    let path = name;
    for (let at: Directory | null = this; at !== null; at = at.parent) {
      const isAbove = path !== '' && !at.name.endsWith('/');
      path = isAbove ? `${at.name}/${path}` : at.name + path;
    }
    return Buffer.from(path, 'latin1');
  }

  /** Whether `other` is this directory or lies below it. */
  holds(other: Directory): boolean {
    for (let at: Directory | null = other; at !== null; at = at.parent) {
      if (at === this) return true;
    }
    return false;
  }
}

/** All watched directories. */
export class DirectoryTree {
  readonly root: Directory;
  readonly #byId = new Map<number, Directory>();

  constructor(id: number, path: string) {
    this.root = new Directory(id, null, path);
    this.#byId.set(id, this.root);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: number): Directory | undefined {
    return this.#byId.get(id);
  }

  add(id: number, parent: Directory, name: string): Directory {
    const directory = new Directory(id, parent, name);
    this.#byId.set(id, directory);
    parent.children.set(name, directory);
    return directory;
  }

  /** Move `directory`, with everything below, to another parent and name. */
  move(directory: Directory, parent: Directory, name: string): void {
    this.#detach(directory);
    directory.parent = parent;
    directory.name = name;
    parent.children.set(name, directory);
  }

  /** Forget `directory` and everything below. Returns the forgotten directories. */
  remove(directory: Directory): Directory[] {
    this.#detach(directory);
    const gone = [directory];
    for (let index = 0; index < gone.length; index += 1) {
      const one = gone[index] as Directory;
      this.#byId.delete(one.id);
      for (const child of one.children.values()) gone.push(child);
    }
    return gone;
  }

  #detach({ parent, name, id }: Directory): void {
    if (parent?.children.get(name)?.id === id) parent.children.delete(name);
  }
}
