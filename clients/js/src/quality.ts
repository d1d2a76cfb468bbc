/** How good a call is, from the statistics of its peer connection. */

import type { Quality, QualityWarning } from './types.js';

/** What is compared with the next measurement. */
export interface Counts {
  received: number;
  lost: number;
}

/** Where people begin to complain; the same as twilio-voice.js raises its warnings at. */
const LIMITS = { packetLoss: 0.03, jitterMs: 30, roundTripMs: 400 };

/** The quality since the measurement before. */
export function measure(stats: RTCStatsReport, before?: Counts): [Quality, Counts] {
  const all = [...(stats as unknown as Map<string, any>).values()];
  const audio = (type: string) =>
    all.find((one) => one.type === type && one.kind === 'audio') ?? {};
  const inbound = audio('inbound-rtp');
  // What the other side reports of what it gets from here.
  const remote = audio('remote-inbound-rtp');

  const counts = { received: inbound.packetsReceived ?? 0, lost: inbound.packetsLost ?? 0 };
  const received = counts.received - (before?.received ?? 0);
  // Packets that come late after all are taken back.
  const lost = Math.max(0, counts.lost - (before?.lost ?? 0));
  const packetLoss = received + lost > 0 ? lost / (received + lost) : 0;
  const jitterMs = milliseconds(inbound.jitter);
  const roundTripMs = milliseconds(remote.roundTripTime);

  const warnings: QualityWarning[] = [];
  if (packetLoss > LIMITS.packetLoss) warnings.push('packet_loss');
  if ((jitterMs ?? 0) > LIMITS.jitterMs) warnings.push('jitter');
  if ((roundTripMs ?? 0) > LIMITS.roundTripMs) warnings.push('round_trip');
  if (received <= 0) warnings.push('no_audio');
  const score = received > 0 ? opinion(roundTripMs ?? 0, jitterMs ?? 0, packetLoss) : 1;
  return [{ score, warnings, roundTripMs, jitterMs, packetLoss }, counts];
}

/** The E-model (ITU-T G.107) in short: from 93.2, a good line, is taken what delay (its one-way
 * part, a jitter buffer of twice the jitter, 10 ms of coding) and loss take away. */
function opinion(roundTripMs: number, jitterMs: number, packetLoss: number): number {
  const delay = roundTripMs / 2 + 2 * jitterMs + 10;
  const late = Math.max(0, delay - 177.3);
  const rating = Math.min(100, Math.max(0, 93.2 - 0.024 * delay - 0.11 * late - 250 * packetLoss));
  const score = 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating);
  return Math.round(Math.max(1, score) * 10) / 10;
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1000);
}
