/**
 * One honest client beside strangers, of which no request is ever finished: `pipelines` ask 200 times
 * at once and read nothing, `uploads` send a body of which a byte comes now and then. What counts is
 * the latency of the honest one, which asks for a small file over one connection, again and again.
 *
 * strangers.ts PORT KIND STRANGERS WARM_UP_MS MEASURE_MS, where KIND is 0 for pipelines, 1 for uploads.
 */
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';

const [port = 0, kind = 0, count = 0, warmUpMs = 0, measureMs = 0] = process.argv
  .slice(2)
  .map(Number);
const PIPELINED = 200;
const DRIP_MS = 1_000;
const FILE = '/file.txt';

const requests = `GET ${FILE} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(PIPELINED);
const upload = 'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n';

function stranger(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.pause();
      socket.write(kind === 0 ? requests : upload);
      resolve(socket);
    });
    // Later, a stranger that is cut is what a server may do with it.
    socket.on('error', reject);
  });
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: FILE, agent }, (answer) => {
      answer.resume().on('end', resolve);
    }).on('error', reject);
  });
}

async function askUntil(end: number): Promise<number[]> {
  const latencies: number[] = [];
  while (performance.now() < end) {
    const start = performance.now();
    await ask();
    latencies.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return latencies.sort((a, b) => a - b);
}

async function main(): Promise<void> {
  await ask();
  const strangers = await Promise.all(Array.from({ length: count }, stranger));
  if (kind === 1) {
    setInterval(() => {
      for (const socket of strangers) socket.write('x');
    }, DRIP_MS);
  }
  await askUntil(performance.now() + warmUpMs);
  console.log('measuring');
  const cpu = process.cpuUsage();
  const latencies = await askUntil(performance.now() + measureMs);
  const { user, system } = process.cpuUsage(cpu);
  const at = (share: number): number =>
    Math.round(
      (latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0) * 1e3,
    );
  const rate = latencies.length / (measureMs / 1e3);
  console.log(
    JSON.stringify({
      rate,
      p50Us: at(0.5),
      p99Us: at(0.99),
      clientLoad: (user + system) / 1e3 / measureMs,
    }),
  );
  process.exit();
}

void main();
