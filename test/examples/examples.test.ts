/** Runs every example as its header says. The chat has a test file of its own. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { Child, ROOT, runTs } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { findProgram } from '../support/programs';
import { testWith } from '../support/requires';
import { next } from '../support/until';

expectNoFdLeaks();

const NAMES = readdirSync(join(ROOT, 'examples')).filter((name) => name.endsWith('.ts'));

/** Start an example that listens. */
async function listening(name: string): Promise<{ child: Child; port: number }> {
  const child = runTs(`examples/${name}.ts`, { env: { PORT: '0' } });
  const [, port] = await child.printed(/listening at .*:(\d+)/);
  return { child, port: Number(port) };
}

async function interrupt(child: Child): Promise<{ code: number | null; signal: string | null }> {
  child.kill('SIGINT');
  return child.exit();
}

test('every example opens with what it shows, its command, and what to see', () => {
  for (const name of NAMES) {
    const [header = ''] = readFileSync(join(ROOT, 'examples', name), 'utf8').split('*/');
    expect([name, header]).toEqual([name, expect.stringMatching(/^\/\*\*\n \* \w/)]);
    expect([name, header]).toEqual([name, expect.stringMatching(/^ \* {3}run {4}/m)]);
    expect([name, header]).toEqual([name, expect.stringMatching(/^ \* {3}see {4}/m)]);
  }
});

test('every example is run by a test', () => {
  const tests = readdirSync(__dirname).map((name) => readFileSync(join(__dirname, name), 'utf8'));
  const untested = NAMES.map((name) => name.replace('.ts', '')).filter(
    (name) =>
      !tests.some((text) => text.includes(`'${name}'`) || text.includes(`examples/${name}.ts`)),
  );
  expect(untested).toEqual([]);
});

test('three-calls: the man-page server answers in capitals', async () => {
  const { child, port } = await listening('three-calls');
  const [a, b] = [await client(port), await client(port)];
  a.write('hello');
  expect((await receive(a, 5)).toString()).toBe('HELLO');
  b.write('x'.repeat(100_000));
  expect((await receive(b, 100_000)).toString()).toBe('X'.repeat(100_000));
  a.end();
  await next(a, 'close');
  await child.printed(/EPOLLIN\|EPOLLRDHUP/);
  expect(await interrupt(child)).toEqual({ code: null, signal: 'SIGINT' });
});

test('watch-stdin, by ts-node: prints the typed bytes, and ends with the input', async () => {
  const child = new Child(join(ROOT, 'node_modules/.bin/ts-node'), ['examples/watch-stdin.ts']);
  child.process.stdin?.write('hello\n');
  await child.printed(/6 bytes: hello/);
  await child.printed(/tick/);
  child.process.stdin?.end('bye\n');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/4 bytes: bye\nend of input\n$/);
});

test('tcp-echo: echoes, and ends when it is interrupted and the last client has gone', async () => {
  const { child, port } = await listening('tcp-echo');
  const peer = await client(port);
  const sent = Buffer.alloc(5_000_000, 'echo');
  peer.write(sent);
  expect((await receive(peer, sent.length)).equals(sent)).toBe(true);
  child.kill('SIGINT');
  peer.write('still here');
  expect((await receive(peer, 10)).toString()).toBe('still here');
  peer.end();
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});

const perl = findProgram('perl');
testWith(perl, 'perl')(
  'tcp-echo: the client loop of the article: connect, send a line, read it back, close, 9,999 times',
  async () => {
    const { child, port } = await listening('tcp-echo');
    const script = `
      use IO::Socket::INET;
      for my $round (1 .. 9999) {
        my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => ${port}, Proto => "tcp")
          or die "connect in round $round: $!";
        print $socket "this is line $round\\n";
        my $line = <$socket>;
        die "round $round got '$line'" if $line ne "this is line $round\\n";
        close $socket;
      }
      print "done";`;
    const loop = spawn(perl as string, ['-e', script]);
    let output = '';
    for (const stream of [loop.stdout, loop.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    expect(await next(loop, 'close')).toEqual([0, null]);
    expect(output).toBe('done');
    expect(await interrupt(child)).toEqual({ code: 0, signal: null });
  },
);

test('websocket-echo: echoes, and says goodbye when it is interrupted', async () => {
  const { child, port } = await listening('websocket-echo');
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await next(socket, 'open');
  for (const message of ['text', Buffer.from([1, 2, 3])]) {
    socket.send(message);
    const [data, isBinary] = await next<[Buffer, boolean]>(socket, 'message');
    expect([data, isBinary]).toEqual([Buffer.from(message), typeof message !== 'string']);
  }
  const closed = next<[number]>(socket, 'close');
  expect(await interrupt(child)).toEqual({ code: 0, signal: null });
  expect((await closed)[0]).toBe(1001);
  expect(child.stdout).toMatch(/has come, 1 in all\n.*has gone: 1001/);
});

test('never-readers: all are cut, the honest client is served', async () => {
  const child = runTs('examples/never-readers.ts');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/all 1000 are clogged\n/);
  expect(child.stdout).toMatch(/all 1000 are cut; they had 2000 ms/);
  const [, answers] = /the honest client was answered (\d+) times/.exec(child.stdout) ?? [];
  expect(Number(answers)).toBeGreaterThan(50);
});

test('lost-pong: first the bug, then our server, which loses none', async () => {
  const child = runTs('examples/lost-pong.ts');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(
    /no event follows, although the pong is there\nleft unread: "pong!"/,
  );
  expect(child.stdout.match(/message "first"\npong \d\nmessage "second"/g)).toHaveLength(5);
  expect(child.stdout).toMatch(/outlived five heartbeats\n$/);
});
