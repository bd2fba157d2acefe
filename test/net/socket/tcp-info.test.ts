import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { decodeTcpInfo, tcpInfo } from '../../../src/net/socket/tcp-info';
import * as c from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { close } from '../../../src/sys/io';
import { getsockopt, socket } from '../../../src/sys/socket';
import { TCP_INFO_BYTES, TCP_INFO_FIELDS } from '../../../src/sys/tcp-info-abi';
import { ROOT } from '../../support/child';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { listenerFd } from '../../support/fdinfo';
import { closeLater, counter } from '../../support/fds';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const servers: TcpServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
});

async function connected(): Promise<{ fd: number; peer: Awaited<ReturnType<typeof client>> }> {
  const server = new TcpServer({ port: 0 });
  servers.push(server);
  const peer = await client(server.port);
  await until(() => server.connections.size === 1);
  const [connection] = server.connections;
  connection?.on('data', (chunk) => connection.write(chunk));
  return { fd: connection?.fd as number, peer };
}

test('returns the state, and counts the sent and received bytes', async () => {
  const { fd, peer } = await connected();
  const fresh = tcpInfo(fd);
  expect(fresh.state).toBe('ESTABLISHED');
  expect(fresh.congestionState).toBe('open');
  expect(fresh.bytesReceived).toBe(0);
  expect(fresh.slowStartThreshold).toBe(Infinity);
  peer.write(Buffer.alloc(10_000));
  await receive(peer, 10_000);
  await until(() => tcpInfo(fd).bytesAcked === 10_000);
  const info = tcpInfo(fd);
  expect(info).toMatchObject({ bytesReceived: 10_000, bytesSent: 10_000, notSentBytes: 0 });
  expect(info).toMatchObject({ unacked: 0, lost: 0, totalRetransmits: 0, retransmits: 0 });
  expect(info.rttUs).toBeGreaterThan(0);
  expect(info.rttUs).toBeLessThan(1_000_000);
  expect(info.minRttUs).toBeLessThanOrEqual(info.rttUs as number);
  expect(info.congestionWindow).toBeGreaterThanOrEqual(1);
  expect(info.sendMss).toBeGreaterThan(500);
  expect(info.segmentsIn).toBeGreaterThan(0);
  expect(info.dataSegmentsOut).toBeGreaterThan(0);
  expect(info.deliveryRate).toBeGreaterThan(0);
});

test('a listener, a fresh socket, and one whose peer has gone', async () => {
  const { fd, peer } = await connected();
  const [server] = servers as [TcpServer];
  expect(tcpInfo(listenerFd(server.port)).state).toBe('LISTEN');
  const alone = closeLater(unwrap(socket(c.AF_INET, c.SOCK_STREAM, 0), 'socket'));
  expect(tcpInfo(alone)).toMatchObject({ state: 'CLOSE', minRttUs: undefined });
  const [connection] = server.connections;
  if (connection !== undefined) connection.allowHalfOpen = true;
  peer.end();
  await until(() => tcpInfo(fd).state === 'CLOSE_WAIT');
});

test('a number that an older kernel does not report is undefined', async () => {
  const { fd } = await connected();
  const bytes = new Uint8Array(TCP_INFO_BYTES);
  const length = getsockopt(fd, c.IPPROTO_TCP, c.TCP_INFO, bytes);
  const { byte, size } = TCP_INFO_FIELDS.tcpi_total_retrans;
  expect(length).toBeGreaterThan(byte + size);
  const old = decodeTcpInfo(bytes.subarray(0, byte + size));
  expect(old.state).toBe('ESTABLISHED');
  expect(old.totalRetransmits).toBe(0);
  expect([old.pacingRate, old.bytesAcked, old.minRttUs, old.sendWindow]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(decodeTcpInfo(bytes.subarray(0, byte + size - 1)).totalRetransmits).toBeUndefined();
});

test('fields of every size are read', () => {
  const bytes = new Uint8Array(TCP_INFO_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(TCP_INFO_FIELDS.tcpi_backoff.byte, 0xfe);
  view.setUint16(TCP_INFO_FIELDS.tcpi_total_rto.byte, 0xfffe, true);
  view.setUint32(TCP_INFO_FIELDS.tcpi_rcv_wnd.byte, 0xffff_fffe, true);
  view.setBigUint64(TCP_INFO_FIELDS.tcpi_bytes_sent.byte, 2n ** 52n, true);
  expect(decodeTcpInfo(bytes)).toMatchObject({
    backoff: 0xfe,
    timeouts: 0xfffe,
    timeoutRecoveries: 0,
    receiveWindow: 0xffff_fffe,
    rehashes: 0,
    bytesSent: 2 ** 52,
  });
});

const whole = Buffer.alloc(TCP_INFO_BYTES);
const probe = socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0);
const known = getsockopt(probe, c.IPPROTO_TCP, c.TCP_INFO, whole);
close(probe);
testWith(known === TCP_INFO_BYTES ? 'told' : null, 'Linux 6.7')(
  'windows and timeouts, of newer kernels',
  async () => {
    const { fd } = await connected();
    const info = tcpInfo(fd);
    expect(info.receiveWindow).toBeGreaterThan(1_000);
    expect(info.sendWindow).toBeGreaterThan(1_000);
    expect(info).toMatchObject({ timeouts: 0, timeoutRecoveries: 0, timeoutRecoveryMs: 0 });
  },
);

test('only for TCP', () => {
  const udp = closeLater(socket(c.AF_INET, c.SOCK_DGRAM, 0));
  expect(() => tcpInfo(udp)).toThrow(expect.objectContaining({ syscall: 'getsockopt', fd: udp }));
  expect(() => tcpInfo(counter())).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
  expect(() => tcpInfo(Number.NaN)).toThrow(RangeError);
});

test('in a worker thread too', async () => {
  const { fd } = await connected();
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     parentPort.postMessage(require('${ROOT}/src/net/socket/tcp-info').tcpInfo(workerData).state);`,
    { eval: true, workerData: fd, execArgv: [...RUNS_TYPESCRIPT] },
  );
  expect(await next(worker, 'message')).toEqual(['ESTABLISHED']);
  await worker.terminate();
});

const cc = findProgram('cc', 'gcc', 'clang');
testWith(cc, 'a C compiler')('every field lies where <linux/tcp.h> has it', () => {
  const header = execFileSync(cc as string, ['-E', '-'], { input: '#include <linux/tcp.h>' });
  // The kernel may tell more than the header, which is as old as the distribution, knows of.
  const names = Object.keys(TCP_INFO_FIELDS).filter(
    (name) => name.startsWith('tcpi_') && new RegExp(`\\b${name};`).test(header.toString()),
  );
  expect(names.length).toBeGreaterThan(40);
  const lines = names.map(
    (name) =>
      `printf("%zu %zu\\n", offsetof(struct tcp_info, ${name}), sizeof(((struct tcp_info *)0)->${name}));`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-abi-'));
  try {
    const source = `#include <stddef.h>\n#include <stdio.h>\n#include <linux/tcp.h>
      int main(void) { ${lines.join('\n')} }`;
    writeFileSync(join(folder, 'abi.c'), source);
    execFileSync(cc as string, ['-o', join(folder, 'abi'), join(folder, 'abi.c')]);
    const printed = execFileSync(join(folder, 'abi')).toString().trim().split('\n');
    const ours = Object.entries(TCP_INFO_FIELDS)
      .filter(([name]) => names.includes(name))
      .map(([, { byte, size }]) => `${byte} ${size}`);
    expect(printed).toEqual(ours);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
