/** What a screen shows of a call, the same on the web and on phones: words, not looks. */

import type { CallSnapshot, Direction, EndReason, Quality } from '../types.js';
import { type Labels, fill } from './labels.js';

/** The layouts that a call goes through. */
export type Phase = 'incoming' | 'outgoing' | 'connecting' | 'active' | 'ended';

/** What a person can do; each is one button. */
export type Action =
  'accept' | 'reject' | 'cancel' | 'end' | 'mute' | 'resumeAudio' | 'again' | 'close';

/** How good the connection is, and the words for it. */
export interface QualityView {
  /** Bars out of three. */
  readonly bars: 1 | 2 | 3;
  readonly text: string;
}

/** A screen's content. */
export interface CallView {
  readonly phase: Phase;
  /** Who it is with. */
  readonly name: string;
  /** At most two letters for the picture. */
  readonly initials: string;
  /** What the call is about. */
  readonly service?: string;
  /** How it stands, in a few words. */
  readonly status: string;
  /** How long they have talked, `m:ss`. */
  readonly timer?: string;
  /** What to do about what is wrong. */
  readonly hint?: string;
  /** What a screen reader says: it changes with the call, not with its timer. */
  readonly announcement: string;
  readonly quality?: QualityView;
  readonly muted: boolean;
  /** The buttons, in order. */
  readonly actions: readonly Action[];
}

/** Whether the call rings on this device and waits for an answer. */
export function isIncoming(snapshot: CallSnapshot): boolean {
  return snapshot.status === 'ringing' && snapshot.direction === 'incoming';
}

/** What to show of a call; nothing while it is idle, unless it failed to begin. */
export function callView(snapshot: CallSnapshot, labels: Labels): CallView | undefined {
  const phase = phaseOf(snapshot);
  if (phase === undefined) return undefined;
  const name = snapshot.peerName ?? labels.someone;
  const status = fill(statusText(phase, snapshot, labels), name);
  const hint = hintText(phase, snapshot, labels);
  return {
    phase,
    name,
    initials: initials(snapshot.peerName),
    service: service(snapshot),
    status,
    timer: snapshot.acceptedAt === undefined ? undefined : clockTime(snapshot.duration),
    hint,
    announcement: [status, hint].filter(Boolean).join('. '),
    quality: phase === 'active' ? qualityView(snapshot, labels) : undefined,
    muted: snapshot.muted,
    actions: actions(phase, snapshot),
  };
}

/** Not what the name says already, as in "Visitor at Red bicycle" about "Red bicycle". */
function service({ serviceName, peerName }: CallSnapshot): string | undefined {
  return peerName?.endsWith(` ${serviceName}`) ? undefined : serviceName;
}

function phaseOf({ status, direction, error }: CallSnapshot): Phase | undefined {
  switch (status) {
    case 'idle':
      return error && 'ended';
    case 'calling':
      return 'outgoing';
    case 'ringing':
      return direction === 'incoming' ? 'incoming' : 'outgoing';
    case 'connecting':
      return 'connecting';
    case 'connected':
      return 'active';
    case 'ended':
      return 'ended';
  }
}

function statusText(phase: Phase, snapshot: CallSnapshot, labels: Labels): string {
  switch (phase) {
    case 'incoming':
      return snapshot.video ? labels.incomingVideo : labels.incoming;
    case 'outgoing':
      return snapshot.status === 'ringing' ? labels.ringing : labels.calling;
    case 'connecting':
      return labels.connecting;
    case 'active':
      return snapshot.reconnecting ? labels.reconnecting : labels.connected;
    case 'ended':
      return endText(snapshot, labels);
  }
}

function endText(snapshot: CallSnapshot, labels: Labels): string {
  const { reason, direction, acceptedAt, callId } = snapshot;
  if (reason === undefined || (snapshot.error && callId === undefined)) return labels.notMade;
  return labels[endLabel(reason, direction, acceptedAt !== undefined)];
}

type EndLabel = Exclude<keyof Labels, 'errors'>;

function endLabel(reason: EndReason, direction: Direction | undefined, talked: boolean): EndLabel {
  const outgoing = direction !== 'incoming';
  switch (reason) {
    case 'hangup':
      return 'hungUp';
    case 'rejected':
      return outgoing ? 'theyRejected' : 'youRejected';
    case 'busy':
      return outgoing ? 'theyAreBusy' : 'youWereBusy';
    case 'timeout':
      if (talked) return 'timeLimit';
      return outgoing ? 'noAnswer' : 'missed';
    case 'canceled':
      return outgoing ? 'youCanceled' : 'missed';
    case 'answered_elsewhere':
      return 'answeredElsewhere';
    case 'unavailable':
      return outgoing ? 'unavailable' : 'missed';
    case 'failed':
      return 'failed';
  }
}

function hintText(phase: Phase, snapshot: CallSnapshot, labels: Labels): string | undefined {
  const { error, audioBlocked, reconnecting, quality } = snapshot;
  if (error) return labels.errors[error.code];
  if (phase !== 'active') return undefined;
  if (audioBlocked) return labels.audioBlocked;
  if (reconnecting || quality === undefined) return undefined;
  if (quality.warnings.includes('no_audio')) return labels.noAudio;
  return bars(quality) === 1 ? labels.poorConnection : undefined;
}

/** Nothing while there is no audio: the last figures are from before. */
function qualityView(snapshot: CallSnapshot, labels: Labels): QualityView | undefined {
  const { quality, reconnecting } = snapshot;
  if (quality === undefined || reconnecting) return undefined;
  const texts = { 1: labels.qualityPoor, 2: labels.qualityFair, 3: labels.qualityGood };
  return { bars: bars(quality), text: texts[bars(quality)] };
}

/** From 4.0 most people are content, below 3.1 nearly all are not (ITU-T G.107, annex B). */
function bars({ score }: Quality): 1 | 2 | 3 {
  if (score >= 4) return 3;
  return score >= 3.1 ? 2 : 1;
}

function actions(phase: Phase, snapshot: CallSnapshot): readonly Action[] {
  switch (phase) {
    case 'incoming':
      return ['reject', 'accept'];
    case 'outgoing':
      return ['cancel'];
    case 'connecting':
      return ['mute', 'end'];
    case 'active':
      return snapshot.audioBlocked ? ['resumeAudio', 'mute', 'end'] : ['mute', 'end'];
    case 'ended':
      return worthAnotherTry(snapshot) ? ['close', 'again'] : ['close'];
  }
}

/** Who was turned down, or has talked to the end, is not asked to insist. */
function worthAnotherTry({ direction, reason, error }: CallSnapshot): boolean {
  if (direction === 'incoming') return false;
  if (error) return !['forbidden', 'not_found', 'unauthorized', 'unsupported'].includes(error.code);
  const another: (EndReason | undefined)[] = ['busy', 'timeout', 'unavailable', 'failed'];
  return another.includes(reason);
}

/** `4:05`, and `1:04:05` from an hour on. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  if (hours === 0) return `${minutes}:${two(whole % 60)}`;
  return `${hours}:${two(minutes)}:${two(whole % 60)}`;
}

function initials(name: string | undefined): string {
  const words = (name ?? '').split(/\s+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => [...(word ?? '')][0]?.toLocaleUpperCase() ?? '').join('');
}
