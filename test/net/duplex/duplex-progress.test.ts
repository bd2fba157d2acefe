/** A stream on plain fds: a part of a write that the kernel has taken is bytes that moved. */
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import * as constants from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { pipe2 } from '../../../src/sys/fds';
import { read } from '../../../src/sys/io';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { until } from '../../support/until';

expectNoFdLeaks();

test('the bytes of one long write count as they leave', async () => {
  const fds = new Int32Array(2);
  unwrap(pipe2(fds, constants.O_CLOEXEC | constants.O_NONBLOCK), 'pipe2');
  const [reading, writing] = [closeLater(fds[0] as number), fds[1] as number];
  const stream = new FdDuplex({ writeFd: writing });
  let isWritten = false;
  stream.write(Buffer.alloc(512 * 1024), () => {
    isWritten = true;
  });
  const buffer = Buffer.alloc(64 * 1024);
  let last = stream.bytesWritten;
  expect(last).toBeGreaterThan(0);
  for (let count = 0; count < 4; count += 1) {
    await until(() => {
      read(reading, buffer);
      return stream.bytesWritten > last;
    });
    last = stream.bytesWritten;
    expect(isWritten).toBe(false);
  }
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.destroy();
  await closed;
});
