/**
 * The {@link RequestGate} of a TLS socket: it stands before the socket's readable side, by the methods
 * that a stream is implemented with. One TLS record holds hundreds of requests, and all of them are
 * deciphered at once, so holding back what TLS is given would bound nothing.
 */
import type { TLSSocket } from 'node:tls';
import { type GateStream, RequestGate } from './request-gate';

/** Put a gate before what `socket` reads; see {@link GateStream} for the methods that are given. */
export function gateOf(
  socket: TLSSocket,
  { onAhead, onAnswered }: Pick<Required<GateStream>, 'onAhead' | 'onAnswered'>,
): RequestGate {
  const { push, _read, resume } = socket;
  const gate = new RequestGate({
    pass: (chunk) => push.call(socket, chunk),
    isClogged: () => socket.readableFlowing !== true || socket.readableLength > 0,
    // What `push` returns is enough.
    hold: () => {},
    resume: () => _read.call(socket, 0),
    end: () => {
      push.call(socket, null);
      socket.read(0);
    },
    onAhead,
    onAnswered,
  });
  socket.push = (chunk: Buffer | null) => {
    if (chunk !== null) return gate.take(chunk);
    if (!gate.isHolding) return push.call(socket, null);
    gate.onEnd();
    return false;
  };
  socket._read = () => gate.onWanted();
  socket.resume = () => {
    resume.call(socket);
    gate.onResume();
    return socket;
  };
  return gate;
}

/**
 * Have node:https read `socket` by its events. It parses beneath them where it can, and leaves that as
 * soon as there is another listener.
 */
export function readByData(socket: TLSSocket): void {
  const listener = (): void => {};
  socket.on('data', listener);
  socket.off('data', listener);
}
