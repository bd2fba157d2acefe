/** Options of {@link DatagramSocket}, and their defaults. */
import { z } from 'zod';
import { EventLoop } from '../../loop/event-loop';
import { type AddressFamily, type Endpoint, endpointSchema } from '../socket/endpoint';

/** Options of {@link DatagramSocket}. */
export interface DatagramSocketOptions {
  /**
   * The address to receive at: an IP address and port (0 for any free port), or the name of a unix
   * socket. Not bound if not given; the kernel then assigns a port to a UDP socket with its first
   * message. The file of a unix socket is removed with the socket.
   */
  bind?: Endpoint;
  /** The only peer to send to and to receive from; its errors become known, see `error`. */
  connect?: Endpoint;
  /** The kind of addresses; that of `bind` or `connect` if not given, or else `'IPv4'`. */
  family?: AddressFamily;
  /** SO_REUSEADDR; for UDP: let others bind to the same port. */
  reuseAddress?: boolean;
  /** SO_REUSEPORT: several sockets at one port, among which the kernel shares out messages. */
  reusePort?: boolean;
  /** IPV6_V6ONLY; false if not given. */
  ipv6Only?: boolean;
  /** Room for one message; 65,536 if not given, which is enough for UDP. Longer ones are cut. */
  maxMessageBytes?: number;
  /** Messages received or sent with one system call; 16 if not given. */
  messagesPerCall?: number;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

/** The schema of {@link DatagramSocketOptions}. */
export const datagramOptionsSchema = z.strictObject({
  bind: endpointSchema.optional(),
  connect: endpointSchema.optional(),
  family: z.enum(['IPv4', 'IPv6', 'unix']).optional(),
  reuseAddress: z.boolean().default(false),
  reusePort: z.boolean().default(false),
  ipv6Only: z.boolean().default(false),
  maxMessageBytes: z
    .int()
    .min(1)
    .max(16 * 1024 * 1024)
    .default(64 * 1024),
  messagesPerCall: z.int().min(1).max(1024).default(16),
  loop: z.instanceof(EventLoop).optional(),
});

/** Checked options. */
export type DatagramSettings = z.output<typeof datagramOptionsSchema>;
