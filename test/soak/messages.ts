/** What the processes of the soak tell each other. */

/** Where the servers listen. */
export interface Places {
  level: number;
  edge: number;
  source: number;
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
