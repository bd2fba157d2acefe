/** The text of a pressure file: /proc/pressure/cpu, or memory.pressure of a cgroup. */

/** One line of it: the share of time with a stall. */
export interface PressureAverages {
  /** Percent of the last 10, 60 and 300 seconds. */
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Microseconds in all. */
  readonly total: number;
}

/** Both lines; `full` is null if the kernel has none. */
export interface PressureReading {
  /** At least one task was waiting. */
  readonly some: PressureAverages | null;
  /** All tasks with work to do were waiting. */
  readonly full: PressureAverages | null;
}

const LINE = /^(some|full) avg10=(\d+\.\d+) avg60=(\d+\.\d+) avg300=(\d+\.\d+) total=(\d+)$/gm;

/** Parse the file. Lines of another form are skipped. */
export function parsePressure(text: string): PressureReading {
  const reading: { some: PressureAverages | null; full: PressureAverages | null } = {
    some: null,
    full: null,
  };
  for (const [, level, avg10, avg60, avg300, total] of text.matchAll(LINE)) {
    reading[level as 'some' | 'full'] = {
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
      total: Number(total),
    };
  }
  return reading;
}
