/** What the processes of the soak tell each other. */

/** What a steady slow reader is served; many times what its deadline would let through at once. */
export const STEADY_BYTES = 1024 * 1024;

/** Where the servers listen. */
export interface Places {
  level: number;
  edge: number;
  source: number;
  /** Sends {@link STEADY_BYTES}, then its FIN. */
  steady: number;
  http: number;
  file: number;
  webSocket: number;
  unix: string;
}

/** What is open in the server's process, and what has been done there. */
export interface ServerReport {
  fds: number;
  /** Fds that the loop watches, which is slots and handlers. */
  watched: number;
  timers: number;
  rss: number;
  heapUsed: number;
  external: number;
  open: number;
  accepted: number;
  bytes: number;
  errors: Record<string, number>;
  staleEvents: number;
  turns: number;
  events: number;
  cpuMs: number;
}

/** What a process of clients is to do. */
export interface Order {
  places: Places;
  connections: number;
  concurrency: number;
  seed: number;
}

/** What it has done so far; `finished` with the last one. */
export interface Progress {
  finished: boolean;
  /** Connections by what they did. */
  done: Record<string, number>;
  /** What went otherwise than it must, by behaviour and reason. */
  wrong: Record<string, number>;
}
