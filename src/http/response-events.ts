/**
 * Waits for a response's events, and for its client to leave. A response that waits for its turn
 * among pipelined ones has no socket yet, and gets no event when the connection closes.
 */
import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FdDuplex } from '../net/duplex/fd-duplex';

/** One listener for each connection, however many responses wait on it. */
const watchers = new WeakMap<Duplex, Set<() => void>>();

/**
 * Resolves to true at `event`: `socket` (its turn), `drain`, or `finish`; to false if the
 * connection closes before.
 */
export function waitFor(
  response: ServerResponse,
  event: 'socket' | 'drain' | 'finish',
): Promise<boolean> {
  const { socket } = response.req;
  if (socket.destroyed || response.destroyed) return Promise.resolve(false);
  const callbacks = callbacksOf(socket);
  return new Promise((resolve) => {
    const settle = (came: boolean): void => {
      response.off(event, onEvent);
      response.off('close', onClose);
      callbacks.delete(onClose);
      resolve(came);
    };
    const onEvent = (): void => settle(true);
    const onClose = (): void => settle(false);
    response.once(event, onEvent);
    response.once('close', onClose);
    callbacks.add(onClose);
  });
}

/**
 * Resolves to true when `response` is the one that is sent next or now, to false if the connection
 * closes before. Anything that costs more than memory, such as an open file, should wait for that:
 * a client can send thousands of requests in one segment, and read none of the answers.
 */
export function waitForTurn(response: ServerResponse): Promise<boolean> | true {
  // Any other object may never have a socket.
  if (!(response instanceof ServerResponse)) return true;
  const { socket } = response.req;
  if (!(socket instanceof FdDuplex || socket instanceof Socket)) return true;
  return response.socket !== null || waitFor(response, 'socket');
}

function callbacksOf(socket: Duplex): Set<() => void> {
  let callbacks = watchers.get(socket);
  if (callbacks === undefined) {
    const added = new Set<() => void>();
    callbacks = added;
    watchers.set(socket, added);
    socket.once('close', () => {
      for (const callback of [...added]) callback();
    });
  }
  return callbacks;
}
