/** Control frames and the closing handshake: the codes that each side sees. */
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next } from '../support/until';
import {
  BINARY,
  CLOSE,
  clientFrame,
  closeFrame,
  PING,
  parseServerFrames,
  TEXT,
} from '../support/ws-frames';
import { connected, echo, rawPeer, serve } from './rig';

expectNoFdLeaks();

describe('control frames and closing', () => {
  test('a ping is answered with the same bytes, and told', async () => {
    const { socket, peer } = await connected(serve());
    const told = next(socket, 'ping');
    peer.ping('are you there');
    expect((await next(peer, 'pong')).toString()).toBe('are you there');
    expect(String((await told)[0])).toBe('are you there');
    socket.ping(Buffer.from('and you'));
    expect(String((await next(socket, 'pong'))[0])).toBe('and you');
    expect(() => socket.ping(Buffer.alloc(126))).toThrow(RangeError);
  });

  test('the client closes: the server sees its code and reason, and answers', async () => {
    const { socket, peer } = await connected(serve());
    peer.close(4_001, 'höflich');
    const [closed, answered] = await Promise.all([next(socket, 'close'), next(peer, 'close')]);
    expect(closed).toEqual([4_001, 'höflich']);
    expect(answered.map(String)).toEqual(['4001', 'höflich']);
  });

  test('the server closes: the client sees its code and reason', async () => {
    const { socket, peer } = await connected(serve());
    socket.close(4_002, 'enough');
    socket.close(4_003, 'again');
    expect(socket.open).toBe(false);
    expect(socket.send('too late')).toBe(false);
    const [closed, answered] = await Promise.all([next(socket, 'close'), next(peer, 'close')]);
    expect(closed).toEqual([4_002, 'enough']);
    expect(answered.map(String)).toEqual(['4002', 'enough']);
  });

  test('a peer that does not answer the close frame is cut after closeTimeoutMs', async () => {
    const server = serve({ closeTimeoutMs: 50 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    socket.close();
    expect(await next(socket, 'close')).toEqual([1006, '']);
    await receiveAll(peer);
  });

  test('what comes behind our close frame is neither told nor answered', async () => {
    const server = serve();
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    const told: string[] = [];
    socket.on('message', () => told.push('message'));
    socket.on('ping', () => told.push('ping'));
    socket.close(4_000);
    const late = [clientFrame(TEXT, 'late'), clientFrame(PING, 'late'), closeFrame(4_000)];
    peer.write(Buffer.concat(late));
    // The peer reads, and ends with us; otherwise it would be cut, after seconds.
    const received = receiveAll(peer);
    expect(await next(socket, 'close')).toEqual([4_000, '']);
    expect(told).toEqual([]);
    expect(parseServerFrames(await received).map(({ opcode }) => opcode)).toEqual([CLOSE]);
  });

  test('a peer that says goodbye and keeps its half open is cut after closeTimeoutMs', async () => {
    const server = serve({ closeTimeoutMs: 50, pingIntervalMs: 0 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    // It reads no more, and so learns of no FIN.
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    peer.write(closeFrame(1000));
    expect(await next(socket, 'close')).toEqual([1000, '']);
    peer.destroy();
  });

  test('a connection that is lost is 1006', async () => {
    const first = await connected(serve());
    const lost = next(first.socket, 'close');
    first.peer.terminate();
    expect(await lost).toEqual([1006, '']);
    const second = await connected(serve());
    const cut = next(second.socket, 'close');
    second.socket.terminate();
    expect(await cut).toEqual([1006, '']);
    expect((await next(second.peer, 'close'))[0]).toBe(1006);
  });

  test.each([999, 1004, 1005, 1006, 1015, 2000, 5000, 1000.5, Number.NaN])(
    'the close code %d cannot be sent',
    async (code) => {
      const { socket } = await connected(serve());
      expect(() => socket.close(code)).toThrow(RangeError);
      expect(() => socket.close(1000, 'x'.repeat(124))).toThrow(RangeError);
    },
  );

  test.each<[string, Buffer, number]>([
    ['an unmasked frame', clientFrame(TEXT, 'x', { masked: false }), 1002],
    ['a message that is too big', clientFrame(BINARY, Buffer.alloc(1025)), 1009],
    ['text that is not UTF-8', clientFrame(TEXT, Buffer.from([0xff])), 1007],
    [
      'too many fragments',
      Buffer.concat(
        Array.from({ length: 9 }, (_, i) => clientFrame(i === 0 ? TEXT : 0, '', { final: false })),
      ),
      1008,
    ],
  ])(
    '%s is answered with its close code, and nobody else is disturbed',
    async (_name, bytes, code) => {
      const server = echo(serve({ maxMessageBytes: 1024, maxFragments: 8 }));
      const other = await connected(server);
      const accepted = next<[WebSocketConnection]>(server, 'connection');
      const peer = await rawPeer(server);
      const [socket] = await accepted;
      const error = next(socket, 'error');
      const closed = next(socket, 'close');
      peer.write(bytes);
      const frames = parseServerFrames(await receiveAll(peer));
      expect(frames.map(({ opcode, payload }) => [opcode, payload.readUInt16BE(0)])).toEqual([
        [CLOSE, code],
      ]);
      expect(await error).toEqual([
        expect.objectContaining({ code: 'ERR_WEBSOCKET_PROTOCOL', closeCode: code }),
      ]);
      await closed;
      other.peer.send('still served');
      expect(String((await next(other.peer, 'message'))[0])).toBe('still served');
      expect(server.clients.size).toBe(1);
    },
  );

  test('what follows a close frame is ignored', async () => {
    const server = serve();
    const seen: string[] = [];
    server.on('connection', (socket) => socket.on('message', (data) => seen.push(data.toString())));
    const peer = await rawPeer(server);
    peer.write(Buffer.concat([clientFrame(TEXT, 'a'), closeFrame(1000), clientFrame(TEXT, 'b')]));
    expect(parseServerFrames(await receiveAll(peer)).map(({ opcode }) => opcode)).toEqual([CLOSE]);
    expect(seen).toEqual(['a']);
  });

  test('half a frame and a FIN close the connection', async () => {
    const server = serve();
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    peer.end(clientFrame(TEXT, 'cut').subarray(0, 4));
    expect(await next(socket, 'close')).toEqual([1006, '']);
  });
});
