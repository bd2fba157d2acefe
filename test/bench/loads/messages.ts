/**
 * The load of messages.c for machines without a C compiler: the same blocking calls in turn, through
 * our own `sys`. Costs more, so the check of the client's own load may complain.
 */
import { sys } from '../../../src';

const { AF_INET, IPPROTO_TCP, MSG_NOSIGNAL, SOCK_STREAM, TCP_NODELAY } = sys.constants;
const SAMPLE_EVERY = 8;
const FEW = 8;

const [port = 0, count = 0, size = 0, warmUpMs = 0, measureMs = 0] = process.argv
  .slice(2)
  .map(Number);
const buffer = new Uint8Array(size).fill(120);
const fds = Array.from({ length: count }, dial);
const sentAt = new Float64Array(count);

function dial(): number {
  const fd = sys.unwrap(sys.socket(AF_INET, SOCK_STREAM, 0), 'socket');
  sys.unwrap(sys.connect(fd, sys.encodeAddress({ address: '127.0.0.1', port })), 'connect');
  sys.unwrap(sys.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, Int32Array.of(1)), 'setsockopt');
  return fd;
}

function sendAll(fd: number): void {
  for (let sent = 0; sent < size; ) {
    sent += sys.unwrap(sys.send(fd, buffer, size - sent, MSG_NOSIGNAL), 'send');
  }
}

function receiveAll(fd: number): void {
  for (let received = 0; received < size; ) {
    const bytes = sys.unwrap(sys.recv(fd, buffer, size - received, 0), 'recv');
    if (bytes === 0) throw new Error('the server closed a connection');
    received += bytes;
  }
}

function sendFirst(now: number): void {
  for (const [index, fd] of fds.entries()) {
    sentAt[index] = now;
    sendAll(fd);
  }
}

function percentile(samples: Float64Array, share: number): number {
  return Math.floor((samples[Math.floor((samples.length - 1) * share)] ?? 0) * 1_000);
}

function measure(): void {
  let latencies: number[] = [];
  let messages = 0;
  let now = performance.now();
  let start = now + warmUpMs;
  let cpu: NodeJS.CpuUsage | null = null;
  sendFirst(now);
  while (cpu === null || now < start + measureMs) {
    if (cpu === null && now >= start) {
      console.log('measuring');
      latencies = [];
      messages = 0;
      cpu = process.cpuUsage();
      start = performance.now();
    }
    for (let index = 0; index < count; index += 1) {
      const fd = fds[index] as number;
      receiveAll(fd);
      messages += 1;
      if (count <= FEW || messages % SAMPLE_EVERY === 0) {
        now = performance.now();
        latencies.push(now - (sentAt[index] as number));
      }
      sentAt[index] = now;
      sendAll(fd);
    }
    now = performance.now();
  }
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = Float64Array.from(latencies).sort();
  const figures = {
    rate: Math.round(messages / seconds),
    p50Us: percentile(sorted, 0.5),
    p99Us: percentile(sorted, 0.99),
    clientLoad: (user + system) / 1e6 / seconds,
  };
  console.log(JSON.stringify(figures));
}

measure();
