/** Clients that send numbered messages and check that each comes back, by the fds of one process. */
import { connect, type Socket } from 'node:net';
import { MESSAGE_BYTES } from './rig';

/** How a client ended: all came back, the connection was cut, or something wrong came. */
export type Outcome = 'whole' | 'cut' | 'wrong';

function encode(connection: number, message: number): Buffer {
  return Buffer.from(Int32Array.of(connection, message).buffer);
}

/**
 * Connect, send `messages` one after another, each in two parts where `halves`, read each back, end.
 * `onReply` is called with each.
 */
export function client(
  port: number,
  connection: number,
  messages: number,
  onReply: () => void = () => {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let sent = 0;
    let received = Buffer.alloc(0);
    const send = (): void => {
      sent += 1;
      const bytes = encode(connection, sent);
      const cut = sent % MESSAGE_BYTES;
      socket.setNoDelay(true);
      if (cut > 0) socket.write(bytes.subarray(0, cut));
      socket.write(bytes.subarray(cut));
    };
    const finish = (outcome: Outcome): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.on('connect', send);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < MESSAGE_BYTES) return;
      if (!received.equals(encode(connection, sent))) return finish('wrong');
      received = Buffer.alloc(0);
      onReply();
      if (sent < messages) return send();
      endInOrder(socket, () => finish('whole'));
    });
    socket.on('error', () => {});
    socket.on('close', () => finish('cut'));
  });
}

/** Until the server has closed too, so that its fd is gone. */
function endInOrder(socket: Socket, onEnd: () => void): void {
  socket.removeAllListeners('close');
  socket.once('close', onEnd);
  socket.end();
}

/** `count` clients, `atOnce` of them at a time. Returns how many ended how. */
export async function manyClients(
  count: number,
  atOnce: number,
  one: (connection: number) => Promise<Outcome>,
): Promise<Record<Outcome, number>> {
  const outcomes = { whole: 0, cut: 0, wrong: 0 };
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      outcomes[await one(next)] += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}
