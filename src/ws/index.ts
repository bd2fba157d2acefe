/** WebSockets. */
export {
  FrameDecoder,
  type FrameLimits,
  type FrameSink,
  type FrameViolation,
} from './frame-decoder';
export { encodeFrame } from './frame-encoder';
export type { SendOptions } from './send-arguments';
export type { Authorization } from './verdict';
export { WebSocketConnection, type WebSocketEvents } from './web-socket';
export {
  type BroadcastOptions,
  WebSocketServer,
  type WebSocketServerEvents,
  type WebSocketShutdownOptions,
} from './web-socket-server';
export type { WebSocketServerOptions } from './web-socket-server-options';
