/**
 * Reads each key as it is pressed: a terminal in raw mode, watched.
 *
 * In raw mode nothing is echoed, no Enter is needed, and Ctrl-C is a byte like others. The modes are
 * restored at the end, whatever happens.
 *
 *   run    npx ts-node examples/raw-keys.ts      (in a terminal)
 *   type   letters, arrows, Ctrl-C
 *   see    the bytes of each key: an arrow is three
 *   end    q
 */
import { FdReader, RawMode, sys } from '../src';

const { F_DUPFD_CLOEXEC } = sys.constants;

const raw = new RawMode(0);
process.on('exit', () => raw.restore());

// The reader closes its fd: a duplicate, so that the terminal stays open for the restoring.
const keys = new FdReader(sys.unwrap(sys.fcntl(0, F_DUPFD_CLOEXEC), 'fcntl'));
keys.on('data', (bytes) => {
  const hex = bytes.toString('hex').replace(/..(?=.)/g, '$& ');
  // Raw mode is raw for output too: the line needs its own return.
  process.stdout.write(`key ${hex} ${JSON.stringify(bytes.toString())}\r\n`);
  if (bytes.includes('q')) keys.close();
});
process.stdout.write('press keys, q ends\r\n');
