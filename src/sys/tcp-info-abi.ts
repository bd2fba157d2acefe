/**
 * The memory layout of `struct tcp_info` of `<linux/tcp.h>`, as far as we read it; see abi.ts for
 * the rules. The kernel appends fields over the years and fills as many as it has.
 */
import './platform';
import { offsetOf, sizeOf, struct } from './libc';

const FIELDS = {
  tcpi_state: 'uint8_t',
  tcpi_ca_state: 'uint8_t',
  tcpi_retransmits: 'uint8_t',
  tcpi_probes: 'uint8_t',
  tcpi_backoff: 'uint8_t',
  tcpi_options: 'uint8_t',
  // Two bytes of bit fields: the window scales, and flags.
  scales: 'uint8_t',
  flags: 'uint8_t',
  tcpi_rto: 'uint32_t',
  tcpi_ato: 'uint32_t',
  tcpi_snd_mss: 'uint32_t',
  tcpi_rcv_mss: 'uint32_t',
  tcpi_unacked: 'uint32_t',
  tcpi_sacked: 'uint32_t',
  tcpi_lost: 'uint32_t',
  tcpi_retrans: 'uint32_t',
  tcpi_fackets: 'uint32_t',
  tcpi_last_data_sent: 'uint32_t',
  tcpi_last_ack_sent: 'uint32_t',
  tcpi_last_data_recv: 'uint32_t',
  tcpi_last_ack_recv: 'uint32_t',
  tcpi_pmtu: 'uint32_t',
  tcpi_rcv_ssthresh: 'uint32_t',
  tcpi_rtt: 'uint32_t',
  tcpi_rttvar: 'uint32_t',
  tcpi_snd_ssthresh: 'uint32_t',
  tcpi_snd_cwnd: 'uint32_t',
  tcpi_advmss: 'uint32_t',
  tcpi_reordering: 'uint32_t',
  tcpi_rcv_rtt: 'uint32_t',
  tcpi_rcv_space: 'uint32_t',
  tcpi_total_retrans: 'uint32_t',
  tcpi_pacing_rate: 'uint64_t',
  tcpi_max_pacing_rate: 'uint64_t',
  tcpi_bytes_acked: 'uint64_t',
  tcpi_bytes_received: 'uint64_t',
  tcpi_segs_out: 'uint32_t',
  tcpi_segs_in: 'uint32_t',
  tcpi_notsent_bytes: 'uint32_t',
  tcpi_min_rtt: 'uint32_t',
  tcpi_data_segs_in: 'uint32_t',
  tcpi_data_segs_out: 'uint32_t',
  tcpi_delivery_rate: 'uint64_t',
  tcpi_busy_time: 'uint64_t',
  tcpi_rwnd_limited: 'uint64_t',
  tcpi_sndbuf_limited: 'uint64_t',
  tcpi_delivered: 'uint32_t',
  tcpi_delivered_ce: 'uint32_t',
  tcpi_bytes_sent: 'uint64_t',
  tcpi_bytes_retrans: 'uint64_t',
  tcpi_dsack_dups: 'uint32_t',
  tcpi_reord_seen: 'uint32_t',
  tcpi_rcv_ooopack: 'uint32_t',
  tcpi_snd_wnd: 'uint32_t',
  tcpi_rcv_wnd: 'uint32_t',
  tcpi_rehash: 'uint32_t',
  tcpi_total_rto: 'uint16_t',
  tcpi_total_rto_recoveries: 'uint16_t',
  tcpi_total_rto_time: 'uint32_t',
} as const;

const tcpInfo = struct(FIELDS);

/** The name of a field of `struct tcp_info`. */
export type TcpInfoField = keyof typeof FIELDS;

/** Bytes of `struct tcp_info` up to the last field that is known here. */
export const TCP_INFO_BYTES: number = sizeOf(tcpInfo);

/** The byte offset and the size in bytes of each field. */
export const TCP_INFO_FIELDS = Object.fromEntries(
  Object.entries(FIELDS).map(([name, type]) => [
    name,
    { byte: offsetOf(tcpInfo, name), size: sizeOf(type) },
  ]),
) as Record<TcpInfoField, { byte: number; size: number }>;
