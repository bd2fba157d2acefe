/**
 * The fds that a service manager has opened for this process: systemd's protocol of
 * sd_listen_fds(3). They begin at 3. LISTEN_FDS has their number, LISTEN_FDNAMES their names, and
 * LISTEN_PID the process they are for, so that a child that inherits the environment does not take
 * its parent's fds for its own.
 */
import { z } from 'zod';
import { INT32_MAX, outOfRange } from '../../base/check';
import { parseOptions } from '../../base/options';
import { F_SETFD, FD_CLOEXEC } from '../../sys/constants';
import { errnoText, SystemError } from '../../sys/errno';
import { fcntl } from '../../sys/io';

/** SD_LISTEN_FDS_START: after stdin, stdout and stderr. */
const FIRST_FD = 3;
/** The name in sd_listen_fds_with_names(3) of an fd without a name. */
const NAMELESS = 'unknown';
/** LISTEN_PIDFDID has the same meaning as LISTEN_PID, and is removed with it. */
const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/** Options of {@link listenFds}. */
export interface ListenFdsOptions {
  /** Remove the variables from `process.env`, so that no child sees them; false if not given. */
  unsetEnvironment?: boolean;
}

/** An fd that was passed to this process. */
export interface ListenFd {
  fd: number;
  /** FileDescriptorName= of the socket unit, which is the unit's own name; or `'unknown'`. */
  name: string;
}

const optionsSchema = z.strictObject({ unsetEnvironment: z.boolean().default(false) });

/**
 * The fds that were passed to this process, in the order of the socket units; none if there are no
 * variables, or if they are for another process. Each becomes close-on-exec. They may be sockets of
 * any kind, or FIFOs; the listening ones are for the `fd` option of the servers.
 *
 * Throws a RangeError for senseless variables (EINVAL of sd_listen_fds(3)), and a {@link
 * SystemError} EBADF for an fd that is not open. Does not block. See sd_listen_fds(3).
 */
export function listenFds(options: ListenFdsOptions = {}): ListenFd[] {
  const { unsetEnvironment } = parseOptions('listenFds', optionsSchema, options);
  try {
    return passedFds(process.env);
  } finally {
    if (unsetEnvironment) for (const name of VARIABLES) delete process.env[name];
  }
}

function passedFds(environment: NodeJS.ProcessEnv): ListenFd[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: names } = environment;
  if (pid === undefined || fds === undefined) return [];
  if (whole('LISTEN_PID', pid, 1) !== process.pid) return [];
  const count = whole('LISTEN_FDS', fds, 0);
  const called = names?.split(':') ?? null;
  if (called !== null && count > 0 && called.length !== count) {
    throw outOfRange('LISTEN_FDNAMES', `${count} names, as LISTEN_FDS says`, names);
  }
  const passed: ListenFd[] = [];
  for (let index = 0; index < count; index += 1) {
    const fd = FIRST_FD + index;
    const outcome = fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (outcome < 0) {
      const reason = `fd ${fd} of LISTEN_FDS=${fds}: ${errnoText(outcome)}`;
      throw new SystemError('fcntl', outcome, { fd, reason });
    }
    passed.push({ fd, name: called?.[index] ?? NAMELESS });
  }
  return passed;
}

function whole(name: string, text: string, min: number): number {
  const max = INT32_MAX - FIRST_FD;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw outOfRange(name, `an integer >= ${min} and <= ${max}`, text);
}
