/**
 * A listening socket goes from one process to another: SCM_RIGHTS of unix(7).
 *
 * The parent opens the port, and never accepts. It starts a child with a unix socket between the two,
 * and passes the listener through it. From then on the child serves, whatever the parent does. So the
 * next version of a server replaces it without refusing a connection.
 *
 *   run    PORT=7006 npx ts-node examples/pass-listener.ts
 *   then   nc 127.0.0.1 7006, a few times; press Enter here; and nc again
 *   see    each time the child's pid, also when the parent has closed its listener
 *   end    Ctrl-C
 */
import { spawn } from 'node:child_process';
import { constants, peerCredentials, receiveFds, sendFds, sys, watch } from '../src';

const { AF_INET, AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } = constants;
/** The fd of the child's end of the unix socket. */
const CHANNEL = 3;

if (process.argv[2] === 'child') serve();
else passOn();

function passOn(): void {
  const listener = listen(Number(process.env['PORT'] ?? 7006));
  const pair = new Int32Array(2);
  sys.unwrap(sys.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 'socketpair');
  const [ours, theirs] = pair as unknown as [number, number];

  const args = [...process.execArgv, __filename, 'child'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', theirs] });
  sys.close(theirs);

  sendFds(ours, [listener], Buffer.from('serve this'));
  console.log(`parent ${process.pid} has passed its listener to child ${child.pid}`);

  process.stdin.once('data', () => {
    sys.close(listener);
    process.stdin.unref();
    console.log('the parent has closed its own listener');
  });
  // The child ends when this socket does, that is with us.
  child.once('exit', (code) => process.exit(code ?? 1));
}

function serve(): void {
  sys.setNonBlocking(CHANNEL);
  watch(CHANNEL, () => {
    const message = receiveFds(CHANNEL);
    if (message === null) return;
    const [listener] = message.fds;
    if (listener === undefined) process.exit();
    const sender = peerCredentials(CHANNEL)?.pid;
    console.log(`child ${process.pid} got "${message.bytes}" from ${sender}`);
    watch(listener, () => acceptAll(listener));
  });
}

function acceptAll(listener: number): void {
  for (;;) {
    const fd = sys.accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const answer = Buffer.from(`served by ${process.pid}\n`);
    sys.send(fd, answer, answer.length, constants.MSG_NOSIGNAL);
    sys.close(fd);
  }
}

function listen(port: number): number {
  const address = '127.0.0.1';
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const listener = sys.unwrap(sys.socket(AF_INET, type, 0), 'socket');
  sys.setsockopt(listener, constants.SOL_SOCKET, constants.SO_REUSEADDR, Int32Array.of(1));
  const where = { address, port };
  sys.unwrap(sys.bind(listener, sys.encodeAddress(where)), 'bind', where);
  sys.unwrap(sys.listen(listener, 128), 'listen');
  const bound = new Uint8Array(sys.ADDRESS_BYTES);
  sys.unwrap(sys.getsockname(listener, bound), 'getsockname');
  console.log(`listening at ${address}:${sys.decodeAddress(bound)?.port}`);
  return listener;
}
