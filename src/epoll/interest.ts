/**
 * Masks of epoll events: built from words, and printed as words.
 *
 * A mask is unsigned. EPOLLET is bit 31, so a plain `|` gives a negative number: store `mask >>> 0`
 * and test with `(mask & flag) !== 0`.
 */
import { checkMask, checkOptions, invalidType } from '../base/check';
import * as constants from '../sys/constants';

/** The events to wait for, in words. */
export interface InterestOptions {
  /** EPOLLIN: there is something to read, or to accept. */
  readable?: boolean | undefined;
  /** EPOLLOUT: a write would take at least some bytes. */
  writable?: boolean | undefined;
  /** EPOLLPRI: urgent data, a GPIO edge, a PSI threshold. */
  priority?: boolean | undefined;
  /** EPOLLRDHUP: the peer has shut down its writing half. */
  peerClosed?: boolean | undefined;
  /** EPOLLET: report changes, not states. Read and write until EAGAIN. */
  edge?: boolean | undefined;
  /** EPOLLONESHOT: report once, and not again until re-armed. */
  oneShot?: boolean | undefined;
  /** EPOLLEXCLUSIVE: of several epoll sets that contain the fd, wake at least one and not all. */
  exclusive?: boolean | undefined;
}

const FLAGS: ReadonlyArray<readonly [keyof InterestOptions, number]> = [
  ['readable', constants.EPOLLIN],
  ['writable', constants.EPOLLOUT],
  ['priority', constants.EPOLLPRI],
  ['peerClosed', constants.EPOLLRDHUP],
  ['edge', constants.EPOLLET],
  ['oneShot', constants.EPOLLONESHOT],
  ['exclusive', constants.EPOLLEXCLUSIVE],
];

const OPTIONS: readonly string[] = FLAGS.map(([name]) => name);

/**
 * The mask for `options`: `interestMask({ readable: true, edge: true }) === 0x8000_0001`. Throws a
 * TypeError that names a wrong option.
 */
export function interestMask(options: InterestOptions): number {
  checkOptions('interestMask', options, OPTIONS);
  for (const [name] of FLAGS) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean') {
      throw invalidType(`options.${name}`, 'a boolean', value);
    }
  }
  return maskOfWords(options);
}

/** As {@link interestMask}, for checked options, which may have other names too. */
export function maskOfWords(options: InterestOptions): number {
  let mask = 0;
  for (const [name, flag] of FLAGS) {
    if (options[name] === true) mask |= flag;
  }
  return mask >>> 0;
}

const NAMES = Object.entries(constants).filter(
  ([name, value]) =>
    name.startsWith('EPOLL') && !name.startsWith('EPOLL_') && typeof value === 'number',
);

/** A mask in the kernel's words: `formatEvents(0x2001) === 'EPOLLIN|EPOLLRDHUP'`. */
export function formatEvents(mask: number): string {
  const words: string[] = [];
  let rest = checkMask('mask', mask);
  for (const [name, flag] of NAMES) {
    if ((rest & flag) === 0) continue;
    words.push(name);
    rest = (rest & ~flag) >>> 0;
  }
  if (rest !== 0) words.push(`0x${rest.toString(16)}`);
  return words.length > 0 ? words.join('|') : '0';
}
