/**
 * The kernel's view of a TCP connection: TCP_INFO of tcp(7), as a record with names and units. It
 * is a snapshot of any TCP socket, made by one call; nothing is watched. The fields are those of
 * `struct tcp_info` in <linux/tcp.h>, of which older kernels have fewer.
 */
import { checkWhole } from '../../base/check';
import { IPPROTO_TCP, TCP_INFO } from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { getsockopt } from '../../sys/socket';
import { TCP_INFO_BYTES, TCP_INFO_FIELDS, type TcpInfoField } from '../../sys/tcp-info-abi';

// The order of the enum in <linux/tcp_states.h>, which begins with 1.
const STATES = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
] as const;

// The order of enum tcp_ca_state in <linux/tcp.h>.
const CONGESTION_STATES = ['open', 'disorder', 'cwr', 'recovery', 'loss'] as const;

/** The state of a connection, named as by ss(8) and RFC 9293. */
export type TcpState = (typeof STATES)[number];

/** The state of the congestion control: `open` is undisturbed. */
export type CongestionState = (typeof CONGESTION_STATES)[number];

/** The numbers of {@link TcpInfo}, each with the kernel's field. */
const NUMBERS = {
  retransmits: 'tcpi_retransmits',
  probes: 'tcpi_probes',
  backoff: 'tcpi_backoff',
  rtoUs: 'tcpi_rto',
  rttUs: 'tcpi_rtt',
  rttVarianceUs: 'tcpi_rttvar',
  minRttUs: 'tcpi_min_rtt',
  receiveRttUs: 'tcpi_rcv_rtt',
  congestionWindow: 'tcpi_snd_cwnd',
  slowStartThreshold: 'tcpi_snd_ssthresh',
  sendMss: 'tcpi_snd_mss',
  receiveMss: 'tcpi_rcv_mss',
  pathMtu: 'tcpi_pmtu',
  unacked: 'tcpi_unacked',
  sacked: 'tcpi_sacked',
  lost: 'tcpi_lost',
  retransmitting: 'tcpi_retrans',
  totalRetransmits: 'tcpi_total_retrans',
  timeouts: 'tcpi_total_rto',
  timeoutRecoveries: 'tcpi_total_rto_recoveries',
  timeoutRecoveryMs: 'tcpi_total_rto_time',
  rehashes: 'tcpi_rehash',
  reordering: 'tcpi_reordering',
  lastDataSentMs: 'tcpi_last_data_sent',
  lastDataReceivedMs: 'tcpi_last_data_recv',
  lastAckReceivedMs: 'tcpi_last_ack_recv',
  receiveSpace: 'tcpi_rcv_space',
  sendWindow: 'tcpi_snd_wnd',
  receiveWindow: 'tcpi_rcv_wnd',
  pacingRate: 'tcpi_pacing_rate',
  deliveryRate: 'tcpi_delivery_rate',
  bytesSent: 'tcpi_bytes_sent',
  bytesAcked: 'tcpi_bytes_acked',
  bytesReceived: 'tcpi_bytes_received',
  bytesRetransmitted: 'tcpi_bytes_retrans',
  notSentBytes: 'tcpi_notsent_bytes',
  segmentsOut: 'tcpi_segs_out',
  segmentsIn: 'tcpi_segs_in',
  dataSegmentsOut: 'tcpi_data_segs_out',
  dataSegmentsIn: 'tcpi_data_segs_in',
  busyUs: 'tcpi_busy_time',
  receiveWindowLimitedUs: 'tcpi_rwnd_limited',
  sendBufferLimitedUs: 'tcpi_sndbuf_limited',
} as const satisfies Record<string, TcpInfoField>;

/**
 * The state of a TCP connection. Times are in microseconds or milliseconds as their names say,
 * rates in bytes a second, windows in segments (`congestionWindow`, `slowStartThreshold`) or bytes
 * (the others). A number is undefined if the kernel is too old to report it, or has not measured it
 * yet; Infinity stands for "no limit".
 */
export type TcpInfo = {
  readonly state: TcpState;
  readonly congestionState: CongestionState;
} & { readonly [N in keyof typeof NUMBERS]: number | undefined };

/** The value of a field without a measurement. */
const UNKNOWN_RTT = 0xffff_ffff;
const NO_THRESHOLD = 0x7fff_ffff;
const NO_PACING = 0xffff_ffff_ffff_ffffn;

/**
 * The state of the TCP socket `fd`: one call, no system call but getsockopt(2). Throws a
 * {@link SystemError} if `fd` is no TCP socket (ENOTSOCK, EOPNOTSUPP, ENOPROTOOPT). Does not block.
 */
export function tcpInfo(fd: number): TcpInfo {
  const bytes = new Uint8Array(TCP_INFO_BYTES);
  const length = unwrap(getsockopt(fd, IPPROTO_TCP, TCP_INFO, bytes), 'getsockopt', { fd });
  return decodeTcpInfo(bytes.subarray(0, length));
}

/** The record of the bytes of `struct tcp_info`, which may be those of an older kernel. */
export function decodeTcpInfo(bytes: Uint8Array): TcpInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, checkWhole(bytes, 'bytes'));
  const state = STATES[(read(view, 'tcpi_state') ?? 0) - 1] ?? 'CLOSE';
  const congestionState = CONGESTION_STATES[read(view, 'tcpi_ca_state') ?? 0] ?? 'open';
  const info: Record<string, unknown> = { state, congestionState };
  for (const [name, field] of Object.entries(NUMBERS)) info[name] = read(view, field);
  return info as TcpInfo;
}

function read(view: DataView, field: TcpInfoField): number | undefined {
  const { byte, size } = TCP_INFO_FIELDS[field];
  if (byte + size > view.byteLength) return undefined;
  if (size === 1) return view.getUint8(byte);
  if (size === 2) return view.getUint16(byte, true);
  if (size === 8) {
    const value = view.getBigUint64(byte, true);
    return value === NO_PACING ? Infinity : Number(value);
  }
  const value = view.getUint32(byte, true);
  if (field === 'tcpi_min_rtt' && value === UNKNOWN_RTT) return undefined;
  return field === 'tcpi_snd_ssthresh' && value >= NO_THRESHOLD ? Infinity : value;
}
