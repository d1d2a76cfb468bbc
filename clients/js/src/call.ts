/**
 * A call on this device, as a state machine: `reduce(state, event, now)` gives the next state
 * and the effects to carry out. It holds no clock, no socket and no media; `runner.ts` does.
 *
 * ```text
 *          initiate                 call:ringing             call:accepted
 *   idle ───────────▶ calling ───────────────▶ ringing ──────────────────┐
 *     │                                        (outgoing)                ▼         link
 *     │                     call:incoming                            connecting ────────▶ connected
 *     └──────────────────────────────────────▶ ringing ──────────────────▲
 *                                              (incoming)    accept
 * ```
 *
 * Every state goes to `ended`, and from there a new call begins as from `idle`.
 *
 * Events, by who causes them:
 *
 * - the person: `initiate`, `accept`, `reject`, `end`, `mute`
 * - the page: `leave`, when it is closed or left
 * - the server: `frame`, what it says of a call; `refused`, an error in place of an answer
 * - the connection: `joining`, it asks the server anew for what rings here
 * - the microphone and camera: `prepared`, `unprepared`; `device`, another one was chosen
 * - the peer connection: `described`, a description of ours is set; `gathered`, a candidate of
 *   ours, or none any more; `link`, its state; `track`, the other's media; `broken`, it threw
 * - the loudspeaker: `sound`; the statistics: `measured`
 * - time: `timer`
 *
 * Who called makes all offers; who was called answers. So descriptions never cross.
 */

import type { Action, Actions, CallEvents, Rings } from './frames.js';
import type { CallError, CallSnapshot, EndReason, Quality } from './types.js';

/** A description as it goes into a frame. */
export type Description = RTCSessionDescriptionInit;

/** A call's state on this device. Never changed in place. */
export interface State {
  readonly snapshot: CallSnapshot;
  /** What is to be sent once there is a microphone: it is being asked for. */
  readonly asking?: 'callInitiate' | 'callAccept';
  /** `callInitiate` was sent. */
  readonly requested: boolean;
  /** This device gave up before the server named the call: it ends if it gets a name until
   * then, in milliseconds. */
  readonly abandonedUntil?: number;
  /** The highest version seen of this call. */
  readonly version: number;
  /** Calls of this booking that are over for this device, the last few. */
  readonly over: readonly string[];
  /** This side makes the offers. */
  readonly offering: boolean;
  /** Our latest description. */
  readonly local?: Description;
  /** It was sent. */
  readonly sent: boolean;
  /** It is an answer, or an offer that has been answered. */
  readonly settled: boolean;
  /** The ICE user fragment of the other's latest description: one for each ICE start. */
  readonly theirs?: string;
  /** Those of the ones before. */
  readonly earlier: readonly string[];
  /** The other's candidates, waiting for their description. */
  readonly early: readonly RTCIceCandidateInit[];
  /** Our candidates, not sent yet. */
  readonly gathered: readonly RTCIceCandidateInit[];
  /** Frames of candidates sent since our latest description. */
  readonly batches: number;
  /** The `flush` timer runs. */
  readonly flushing: boolean;
  /** Since when there is no audio: it is not there yet, or is interrupted. */
  readonly lostAt?: number;
}

/** A frame about a call. */
export type CallFrame = {
  [E in keyof CallEvents]: { event: E; data: CallEvents[E] };
}[keyof CallEvents];

/** The timers of a call; each runs once. */
export type TimerName = 'ring' | 'media' | 'restart' | 'offer' | 'flush' | 'tick' | 'quality';

/** What can happen to a call. */
export type Event =
  | { type: 'initiate'; video: boolean }
  | { type: 'accept'; video: boolean }
  | { type: 'reject'; reason: 'rejected' | 'busy' }
  | { type: 'end' }
  | { type: 'mute'; muted: boolean }
  | { type: 'leave' }
  | { type: 'frame'; frame: CallFrame; answers?: Action }
  | { type: 'refused'; action: Action; error: CallError }
  | { type: 'joining' }
  /** `video`: the camera is in it. */
  | { type: 'prepared'; stream: MediaStream; video: boolean }
  | { type: 'unprepared'; error: CallError }
  | { type: 'device'; error?: CallError }
  | { type: 'described'; description: Description }
  | { type: 'gathered'; candidate?: RTCIceCandidateInit; description?: Description }
  | { type: 'link'; state: RTCPeerConnectionState }
  | { type: 'track'; stream: MediaStream }
  | { type: 'broken'; message: string }
  | { type: 'sound'; blocked: boolean }
  | { type: 'measured'; quality: Quality }
  | { type: 'timer'; name: TimerName };

/** What is to be done. */
export type Effect =
  /** Ask for ICE servers, the microphone, and the camera: `prepared` or `unprepared`. */
  | { type: 'prepare'; video: boolean }
  /** Stop media that came too late. */
  | { type: 'release'; stream: MediaStream }
  | { type: 'send'; action: Action; data: Actions[Action] }
  /** Send nothing of this call that was not sent yet, nor anything again. */
  | { type: 'forget' }
  /** Find out whether the socket still lives. */
  | { type: 'probe' }
  /** Make and set an offer: `described`. For a restart, with fresh ICE servers. */
  | { type: 'offer'; restart: boolean }
  /** Set the offer, make and set an answer: `described`. */
  | { type: 'answer'; offer: Description }
  | { type: 'setAnswer'; answer: Description }
  | { type: 'addCandidates'; candidates: readonly RTCIceCandidateInit[] }
  | { type: 'closePeer' }
  /** Close and stop everything, timers too. */
  | { type: 'close' }
  | { type: 'play'; stream: MediaStream }
  | { type: 'mute'; muted: boolean }
  | { type: 'measure' }
  /** Start a timer anew, or stop it where `after` (milliseconds) is not given. */
  | { type: 'timer'; name: TimerName; after?: number };

/** How long audio may take to come, or to come back, until the call ends. */
export const MEDIA_DEADLINE = 20_000;
/** Interruptions often pass by themselves. */
export const DISCONNECTED_TOLERANCE = 3_000;
const RESTART_AFTER_FAILURE = 1_000;
/** Audio gone for longer than this was lost, whoever hung up then. */
const LOST = 10_000;
const REPEAT_OFFER = 4_000;
/** Waits before the frames of candidates: all from one machine come nearly at once, those
 * of STUN and TURN servers a round trip later. */
const FLUSH = [50, 500, 3_000];
const FLUSH_LAST = 10_000;
const MEASURE = 5_000;
/** By the server's clock it rings until `expiresAt`; ours may be wrong. Milliseconds; `asked`: once
 * online, for what `join` brings of a call that is known from before. */
export const RING = { least: 45_000, most: 600_000, grace: 15_000, asked: 10_000 };
const EARLY_CANDIDATES = 200;
const CALLS_REMEMBERED = 8;

/** The state before there is a call. */
export function idle(bookingId: string): State {
  return {
    snapshot: {
      bookingId,
      status: 'idle',
      duration: 0,
      muted: false,
      reconnecting: false,
      audioBlocked: false,
      video: false,
    },
    requested: false,
    version: 0,
    over: [],
    offering: false,
    sent: false,
    settled: true,
    earlier: [],
    early: [],
    gathered: [],
    batches: 0,
    flushing: false,
  };
}

/** Whether the call goes on: from asking for the microphone to the end. */
export function isLive({ status }: CallSnapshot): boolean {
  return status !== 'idle' && status !== 'ended';
}

/** The next state, and what is to be done, in order. `now` is in milliseconds. */
export function reduce(before: State, event: Event, now: number): [State, Effect[]] {
  const effects: Effect[] = [];
  let state = before;
  let { snapshot } = before;
  take();
  return [state, effects];

  function take(): void {
    switch (event.type) {
      case 'initiate':
        return initiate(event.video);
      case 'accept':
        return accept(event.video);
      case 'reject':
        return reject(event.reason);
      case 'end':
        return end();
      case 'leave':
        return leave();
      case 'frame':
        return frame(event.frame, event.answers);
      case 'refused':
        return refused(event.action, event.error);
      case 'prepared':
        return prepared(event.stream, event.video);
      case 'unprepared':
        return unprepared(event.error);
    }
    if (!isLive(snapshot)) return;
    switch (event.type) {
      case 'timer':
        return timer(event.name);
      case 'mute':
        show({ muted: event.muted });
        return plan({ type: 'mute', muted: event.muted });
      case 'joining':
        // What has stopped ringing meanwhile, nobody tells of.
        return rings() ? wake('ring', RING.asked) : undefined;
      case 'device':
        return show({ error: event.error });
      case 'described':
        return described(event.description);
      case 'gathered':
        return gathered(event.candidate, event.description);
      case 'link':
        return link(event.state);
      case 'track':
        if (event.stream === snapshot.remoteStream) return;
        show({ remoteStream: event.stream });
        return plan({ type: 'play', stream: event.stream });
      case 'broken':
        return fail(mediaFailed(event.message));
      case 'sound':
        return show({ audioBlocked: event.blocked });
      case 'measured':
        return show({ quality: event.quality });
    }
  }

  /** It rings here and nobody has answered. */
  function rings(): boolean {
    return snapshot.status === 'ringing' && snapshot.direction === 'incoming';
  }

  /** It has been accepted. */
  function runs(): boolean {
    return snapshot.status === 'connecting' || snapshot.status === 'connected';
  }

  /** `callInitiate` is to be sent or was sent, and the server has not named the call yet. */
  function nameless(): boolean {
    return snapshot.status === 'calling' && snapshot.callId === undefined;
  }

  // ---- building the step

  function set(patch: Partial<State>): void {
    state = { ...state, ...patch };
    snapshot = state.snapshot;
  }

  function show(patch: Partial<CallSnapshot>): void {
    set({ snapshot: { ...snapshot, ...patch } });
  }

  function plan(...more: Effect[]): void {
    effects.push(...more);
  }

  function send<A extends Action>(action: A, more?: Partial<Actions[A]>): void {
    const { bookingId, callId } = snapshot;
    const data = { bookingId, callId, ...more } as Actions[A];
    plan({ type: 'send', action, data });
  }

  function wake(name: TimerName, after?: number): void {
    plan({ type: 'timer', name, after });
  }

  // ---- the person

  function initiate(video: boolean): void {
    if (rings()) return accept(video);
    if (isLive(snapshot)) return;
    begin({ status: 'calling', direction: 'outgoing', video });
    set({ asking: 'callInitiate' });
    plan({ type: 'prepare', video });
  }

  function accept(video: boolean): void {
    if (!rings() || state.asking) return;
    set({ asking: 'callAccept' });
    show({ error: undefined });
    plan({ type: 'prepare', video: video && snapshot.video });
  }

  function reject(reason: 'rejected' | 'busy'): void {
    if (!rings()) return;
    finish(reason);
    send('callReject', { reason });
  }

  function end(): void {
    if (rings()) return reject('rejected');
    if (isLive(snapshot)) hangUp(runs() ? 'hangup' : 'canceled');
  }

  /** It goes on ringing on other devices, and here if this one comes back. */
  function leave(): void {
    if (!rings()) return end();
    reset();
    plan({ type: 'close' });
  }

  // ---- from one call to the next

  function begin(call: Partial<CallSnapshot>): void {
    if (isLive(snapshot)) finish('failed');
    reset();
    show(call);
  }

  function reset(): void {
    const { over } = state;
    state = { ...idle(snapshot.bookingId), over };
    snapshot = state.snapshot;
  }

  function finish(reason: EndReason, error?: CallError, duration = elapsed()): void {
    const { localStream, remoteStream, quality, ...rest } = snapshot;
    if (rest.callId !== undefined) remember(rest.callId);
    reset();
    const ended = { status: 'ended', reconnecting: false, audioBlocked: false } as const;
    show({ ...rest, ...ended, reason, error, duration });
    plan({ type: 'forget' }, { type: 'close' });
  }

  /** Ends it from here. */
  function hangUp(reason: EndReason, error?: CallError): void {
    const { callId } = snapshot;
    const { requested } = state;
    finish(reason, error);
    if (callId !== undefined) send('callEnd');
    else if (requested) set({ abandonedUntil: now + RING.least + RING.grace });
  }

  function fail(error: CallError): void {
    hangUp('failed', error);
  }

  function elapsed(): number {
    const { acceptedAt } = snapshot;
    return acceptedAt === undefined ? 0 : Math.floor((now - acceptedAt) / 1000);
  }

  // ---- the microphone

  function prepared(stream: MediaStream, video: boolean): void {
    const { asking } = state;
    if (!asking) return plan({ type: 'release', stream });
    set({ asking: undefined });
    show({ localStream: stream });
    if (asking === 'callAccept') return takeCall();
    set({ requested: true, offering: true });
    show({ video });
    send('callInitiate', { media: { audio: true, video } });
    // Made while it rings, the offer has its candidates when it is sent.
    plan({ type: 'offer', restart: false });
  }

  function unprepared(error: CallError): void {
    const { asking } = state;
    if (asking === 'callInitiate') return finish('failed', error);
    if (!asking) return;
    // It rings on: the person may allow the microphone now, or reject.
    set({ asking: undefined });
    show({ error });
  }

  function takeCall(): void {
    connecting();
    send('callAccept');
  }

  function connecting(): void {
    show({ status: 'connecting' });
    set({ lostAt: now });
    wake('ring');
    wake('media', MEDIA_DEADLINE);
  }

  // ---- the server

  function frame({ event, data }: CallFrame, answers?: Action): void {
    const { callId, version } = data;
    if (state.over.includes(callId)) return ofThePast(event, data, answers);
    if (event === 'call:incoming' && callId !== snapshot.callId) return rung(data);
    if (callId !== snapshot.callId) {
      const begins = event === 'call:ringing' || event === 'call:accepted';
      const ours = nameless() && !state.asking && (begins || answers === 'callInitiate');
      if (!ours) return unknown(data, begins);
      show({ callId });
    }
    if (version < state.version) return;
    set({ version });
    switch (event) {
      case 'call:incoming':
        return rings() ? ringUntil(data) : undefined;
      case 'call:ringing':
        return ringing(data);
      case 'call:accepted':
        return accepted();
      case 'call:rejected':
        return finish(data.reason);
      case 'call:ended':
        return ended(data.reason, data.duration);
      case 'call:offer':
        return offered(data.offer);
      case 'call:answer':
        return answered(data.answer);
      case 'call:ice-candidate':
        return candidates([data.candidate].flat());
    }
  }

  /** A frame of a call that is over here: that is final, but the server's figure counts. */
  function ofThePast(event: string, data: { callId: string }, answers?: Action): void {
    if (event === 'call:ended' && data.callId === snapshot.callId) {
      show({ duration: (data as CallEvents['call:ended']).duration });
    }
    if (answers === 'callInitiate' && nameless()) {
      finish('failed', { code: 'conflict', message: 'the call is on another device' });
    }
  }

  /** A call that this device does not have: the one given up, or one of another device, which
   * may be there again for it. */
  function unknown({ callId, ...data }: CallFrame['data'], begins: boolean): void {
    // So that its beginning, if it comes after its end, does not ring.
    if ('reason' in data && data.reason !== 'answered_elsewhere') return remember(callId);
    const { abandonedUntil = 0 } = state;
    if (!begins || now >= abandonedUntil) return;
    remember(callId);
    set({ abandonedUntil: undefined });
    send('callEnd', { callId });
  }

  function remember(over: string): void {
    set({ over: [...state.over, over].slice(-CALLS_REMEMBERED) });
  }

  function rung(data: Rings): void {
    const { callId, version, callerName: peerName, serviceName } = data;
    const video = (data.media as { video?: unknown } | undefined)?.video === true;
    const incoming = { callId, direction: 'incoming', peerName, serviceName, video } as const;
    const both = nameless();
    const { asking } = state;
    const localStream = both ? snapshot.localStream : undefined;
    if (both) reset();
    begin({ ...incoming, status: 'ringing', localStream });
    set({ version });
    ringUntil(data);
    if (!both) return;
    // Both called at once. Both want to talk, so this side, which is told of the other's
    // call, takes it as soon as it has the microphone.
    if (asking) return set({ asking: 'callAccept' });
    plan({ type: 'closePeer' });
    takeCall();
  }

  function ringing(data: Rings): void {
    if (snapshot.status !== 'calling') return;
    const { receiverName: peerName, serviceName } = data;
    show({ status: 'ringing', peerName, serviceName });
    ringUntil(data);
  }

  function ringUntil({ expiresAt }: Rings): void {
    const left = Math.max(RING.least, Date.parse(expiresAt) - now || 0);
    wake('ring', Math.min(left, RING.most) + RING.grace);
  }

  function accepted(): void {
    if (rings()) return;
    if (!runs()) connecting();
    if (snapshot.acceptedAt === undefined) {
      show({ acceptedAt: now });
      wake('tick', 1000);
    }
    transmit();
  }

  function ended(reason: EndReason, duration: number): void {
    const { lostAt } = state;
    const lost = lostAt !== undefined && now - lostAt >= LOST;
    // The other side gave up on the audio somewhat earlier.
    if (runs() && lost && reason === 'hangup') {
      return finish('failed', mediaFailed('audio was lost'), duration);
    }
    finish(reason, undefined, duration);
  }

  function refused(action: Action, error: CallError): void {
    if (action === 'callInitiate' && nameless() && !state.asking) {
      // One that was not answered may have been heard.
      return error.code === 'offline' ? fail(error) : finish('failed', error);
    }
    if (action === 'callAccept' && runs() && snapshot.acceptedAt === undefined) {
      return fail(error);
    }
    // A description that does not pass. After other errors there may be word on the way of
    // where the call has gone, or the frame is sent again.
    if (runs() && ['bad_request', 'too_large'].includes(error.code)) fail(error);
  }

  // ---- descriptions and candidates

  function offered(offer: Description): void {
    if (!runs() || !state.settled) return;
    const fragment = fragmentOf(offer);
    // The latest one repeated is answered again, because the answer may have been lost.
    if (state.earlier.includes(fragment)) return;
    plan({ type: 'answer', offer });
    describedAs(fragment);
  }

  function answered(answer: Description): void {
    const { settled, sent, theirs, earlier } = state;
    const fragment = fragmentOf(answer);
    if (settled || !sent || theirs === fragment || earlier.includes(fragment)) return;
    set({ settled: true });
    wake('offer');
    plan({ type: 'setAnswer', answer });
    describedAs(fragment);
  }

  function describedAs(fragment: string): void {
    const { theirs, earlier } = state;
    if (theirs !== undefined && theirs !== fragment) set({ earlier: [...earlier, theirs] });
    set({ theirs: fragment });
    release();
  }

  function candidates(list: readonly (RTCIceCandidateInit | null)[]): void {
    if (!runs()) return;
    const given = list.filter((one): one is RTCIceCandidateInit => !!one?.candidate);
    set({ early: [...state.early, ...given].slice(-EARLY_CANDIDATES) });
    release();
  }

  /** Hands on the candidates whose description is there. */
  function release(): void {
    const { theirs, early } = state;
    if (theirs === undefined) return;
    const fits = (one: RTCIceCandidateInit) => (fragmentOfCandidate(one) ?? theirs) === theirs;
    const candidates = early.filter(fits);
    if (candidates.length === 0) return;
    set({ early: early.filter((one) => !fits(one)) });
    plan({ type: 'addCandidates', candidates });
  }

  function described(description: Description): void {
    const settled = description.type === 'answer';
    const gathered = state.gathered.filter((one) => !contains(description, one));
    set({ local: description, sent: false, settled, gathered, batches: 0 });
    transmit();
  }

  function transmit(): void {
    const { local, sent } = state;
    if (!local || sent || !runs()) return;
    set({ sent: true });
    sendLocal(local);
    flushSoon();
  }

  function sendLocal(local: Description): void {
    if (local.type === 'answer') return send('callAnswer', { answer: local });
    send('callOffer', { offer: local });
    wake('offer', REPEAT_OFFER);
  }

  function gathered(candidate?: RTCIceCandidateInit, whole?: Description): void {
    const { local, sent } = state;
    if (candidate && local && !sent && contains(whole, candidate)) return set({ local: whole });
    if (candidate) set({ gathered: [...state.gathered, candidate] });
    if (!sent) return;
    // From now on an offer that is sent again has it, too.
    if (whole?.type === local?.type) set({ local: whole });
    if (candidate) flushSoon();
    else flush();
  }

  function flushSoon(): void {
    const { gathered, batches, flushing } = state;
    if (flushing || gathered.length === 0) return;
    set({ flushing: true });
    wake('flush', FLUSH[batches] ?? FLUSH_LAST);
  }

  function flush(): void {
    const { gathered, batches } = state;
    set({ flushing: false });
    if (gathered.length === 0) return;
    set({ gathered: [], batches: batches + 1 });
    wake('flush');
    send('callIceCandidate', { candidate: [...gathered] });
  }

  // ---- the link between the two, and time

  function link(to: RTCPeerConnectionState): void {
    if (!runs()) return;
    if (to === 'connected') return connected();
    if (to !== 'disconnected' && to !== 'failed') return;
    if (state.lostAt === undefined) {
      set({ lostAt: now });
      // Browsers notice after seconds of silence: the person has noticed before.
      show({ reconnecting: snapshot.status === 'connected' });
      wake('media', MEDIA_DEADLINE);
      // What cut the link may have cut the socket.
      plan({ type: 'probe' });
    }
    wake('restart', to === 'failed' ? RESTART_AFTER_FAILURE : DISCONNECTED_TOLERANCE);
  }

  function connected(): void {
    if (snapshot.status === 'connecting') wake('quality', MEASURE);
    set({ lostAt: undefined });
    show({ status: 'connected', reconnecting: false });
    wake('media');
    wake('restart');
  }

  function timer(name: TimerName): void {
    const { lostAt, offering, local, settled } = state;
    switch (name) {
      case 'ring':
        return runs() ? undefined : finish('timeout');
      case 'media':
        return fail(mediaFailed('no audio within the deadline'));
      case 'restart':
        if (lostAt === undefined) return;
        // An offer without an answer is repeated as it is, until it is dropped.
        if (offering && (settled || !local)) plan({ type: 'offer', restart: true });
        return;
      case 'offer':
        if (settled || !local) return;
        // Audio that came back by itself needs no answer, and the next interruption a fresh offer.
        if (lostAt === undefined) return set({ local: undefined });
        return sendLocal(local);
      case 'flush':
        return flush();
      case 'tick':
        show({ duration: elapsed() });
        return wake('tick', 1000 - ((now - (snapshot.acceptedAt ?? 0)) % 1000));
      case 'quality':
        plan({ type: 'measure' });
        return wake('quality', MEASURE);
    }
  }
}

function mediaFailed(message: string): CallError {
  return { code: 'media_failed', message };
}

/** The ICE user fragment, new with each ICE start (RFC 8839, section 5.4). */
export function fragmentOf({ sdp = '' }: Description): string {
  return /a=ice-ufrag:(\S+)/.exec(sdp)?.[1] ?? '';
}

function fragmentOfCandidate(candidate: RTCIceCandidateInit): string | undefined {
  const named = / ufrag (\S+)/.exec(candidate.candidate ?? '');
  return candidate.usernameFragment ?? named?.[1];
}

/** Whether a description has that candidate. Browsers add to its line after the type. */
function contains(description: Description | undefined, candidate: RTCIceCandidateInit): boolean {
  const [start] = (candidate.candidate ?? '').split(' typ ');
  return !!start && !!description?.sdp?.includes(start);
}
