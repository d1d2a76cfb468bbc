/** The system's own call screen: CallKit on iOS, Telecom (ConnectionService) on Android, by way of
 * react-native-callkeep or the like. */

import { RING, isLive } from '../call.js';
import type { Call, CallSnapshot, Clock, EndReason, Maskline } from '../types.js';
import type { IncomingPush } from './push.js';

/** A call as it is reported to the system. */
export interface ReportedCall {
  /** Maskline's id of the call. CallKit wants UUIDs: keep one for each. */
  readonly callId: string;
  readonly bookingId: string;
  readonly peerName?: string;
  readonly video: boolean;
}

/** What a person did on the system's screen. */
export type CallUiEvent =
  | { type: 'answer'; callId: string }
  | { type: 'end'; callId: string }
  | { type: 'mute'; callId: string; muted: boolean }
  | { type: 'hold'; callId: string; held: boolean };

/** What an app implements with its call screen module. */
export interface CallUi {
  /** A call rings here. */
  reportIncoming(call: ReportedCall): void;
  /** This device calls. */
  reportOutgoing(call: ReportedCall): void;
  /** They talk. */
  reportConnected(callId: string): void;
  reportEnded(callId: string, reason: EndReason): void;
  /** Tells of what the person does, until the returned function is called. */
  subscribe(listener: (event: CallUiEvent) => void): () => void;
}

/** Keeps the system's screen and the client's calls in step. */
export interface CallUiBridge {
  /** Shows a call that a push has announced and that is not here yet. */
  announce(push: IncomingPush): void;
  stop(): void;
}

/** The calls that the system knows of, by `callId`. */
interface Known {
  /** Undefined while only a push has told of it. */
  call?: Call;
  connected: boolean;
  /** What the person has decided on the system's screen, also before the call was here. */
  decided?: 'answer' | 'end';
  /** Whether the person had muted it before it was put on hold. */
  mutedBeforeHold?: boolean;
  /** Until when an announced call is waited for while the client is not online. */
  until?: number;
  timer?: unknown;
}

/** On top of what is waited for a call after `join`, where the client was online before the push,
 * milliseconds: a push is sent where the server reaches no device, so the socket has died, and so
 * long it may take until that is noticed (5 s) and another one is there (10 s). */
const PROBED = 15_000;

const systemClock: Pick<Clock, 'now' | 'setTimeout' | 'clearTimeout'> = {
  now: () => Date.now(),
  setTimeout: (act, milliseconds) => setTimeout(act, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Reports the client's calls to the system's screen, and does what is pressed there. */
export function bridgeCallUi(client: Maskline, ui: CallUi, clock = systemClock): CallUiBridge {
  const known = new Map<string, Known>();
  const followed = new Map<Call, () => void>();
  let connection = client.connection;

  const follow = () => {
    if (connection !== client.connection) {
      connection = client.connection;
      for (const [callId, entry] of known) if (!entry.call) wait(callId, entry);
    }
    for (const call of client.calls()) {
      if (!followed.has(call))
        followed.set(
          call,
          call.subscribe(() => report(call)),
        );
      report(call);
    }
  };

  const report = (call: Call) => {
    const snapshot = call.getSnapshot();
    endOthers(call, snapshot);
    const { callId } = snapshot;
    if (callId === undefined) return;
    const entry = known.get(callId);
    if (!isLive(snapshot)) {
      if (entry) end(callId, snapshot.reason ?? 'failed');
      return;
    }
    if (entry === undefined) begin(callId, call, snapshot);
    else if (entry.call === undefined) arrive(entry, call, snapshot);
    else if (entry.decided === 'answer') declineWhereRefused(entry, call, snapshot);
    const current = known.get(callId);
    if (current && !current.connected && snapshot.status === 'connected') {
      current.connected = true;
      ui.reportConnected(callId);
    }
  };

  /** A booking's next call takes the place of the one before in the same object. */
  const endOthers = (call: Call, snapshot: CallSnapshot) => {
    for (const [callId, entry] of known) {
      if (entry.call === call && callId !== snapshot.callId) end(callId, 'failed');
    }
  };

  const begin = (callId: string, call: Call, snapshot: CallSnapshot) => {
    known.set(callId, { call, connected: false });
    const { bookingId, peerName, video, direction } = snapshot;
    const reported = { callId, bookingId, peerName, video };
    if (direction === 'incoming') ui.reportIncoming(reported);
    else ui.reportOutgoing(reported);
  };

  const arrive = (entry: Known, call: Call, snapshot: CallSnapshot) => {
    entry.call = call;
    clock.clearTimeout(entry.timer);
    if (snapshot.status !== 'ringing') return;
    if (entry.decided === 'answer') void call.accept();
    if (entry.decided === 'end') call.reject();
  };

  const wait = (callId: string, entry: Known, asked = RING.asked) => {
    const { until = 0 } = entry;
    // The server says of what rings here, and nothing of what has stopped ringing before.
    const left = client.connection === 'online' ? asked : Math.max(0, until - clock.now());
    clock.clearTimeout(entry.timer);
    entry.timer = clock.setTimeout(() => end(callId, 'timeout'), left);
  };

  const end = (callId: string, reason: EndReason) => {
    const entry = known.get(callId);
    clock.clearTimeout(entry?.timer);
    known.delete(callId);
    if (entry?.decided !== 'end') ui.reportEnded(callId, reason);
  };

  const handle = (event: CallUiEvent) => {
    const entry = known.get(event.callId);
    if (entry === undefined) return;
    const { call } = entry;
    switch (event.type) {
      case 'answer':
        entry.decided = 'answer';
        void call?.accept();
        break;
      case 'end':
        if (call) hangUp(call);
        else entry.decided = 'end';
        break;
      case 'mute':
        call?.setMuted(event.muted);
        break;
      case 'hold':
        if (call) hold(entry, call, event.held);
        break;
    }
  };

  const stopListening = [client.subscribe(follow), ui.subscribe(handle)];
  follow();
  return {
    announce(push) {
      if (known.has(push.callId)) return;
      const { callId, bookingId, callerName, expiresAt } = push;
      const now = clock.now();
      const left = Math.min(Math.max(RING.least, expiresAt - now), RING.most);
      const entry = { connected: false, until: now + left };
      known.set(callId, entry);
      ui.reportIncoming({ callId, bookingId, peerName: callerName, video: false });
      wait(callId, entry, RING.asked + PROBED);
      // It may be over here already: pushes come late.
      follow();
    },
    stop() {
      for (const stop of [...stopListening, ...followed.values()]) stop();
      for (const { timer } of known.values()) clock.clearTimeout(timer);
    },
  };
}

/** To the system, an answered call is in progress; without a microphone it would be so for as long
 * as it rings. */
function declineWhereRefused(entry: Known, call: Call, snapshot: CallSnapshot): void {
  if (snapshot.status !== 'ringing' || !snapshot.error) return;
  entry.decided = undefined;
  call.reject();
}

function hangUp(call: Call): void {
  const { status, direction } = call.getSnapshot();
  if (status === 'ringing' && direction === 'incoming') call.reject();
  else call.end();
}

function hold(entry: Known, call: Call, held: boolean): void {
  if (held) {
    entry.mutedBeforeHold ??= call.getSnapshot().muted;
    call.setMuted(true);
  } else {
    call.setMuted(entry.mutedBeforeHold ?? false);
    entry.mutedBeforeHold = undefined;
  }
}
