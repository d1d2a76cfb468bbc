/** Runs a call: gives the state machine of `call.ts` its events, and carries its effects out. */

import { type Effect, type Event, type State, type TimerName, idle, reduce } from './call.js';
import type { Connection } from './connection.js';
import { CodedError, callError } from './errors.js';
import { listen } from './platform.js';
import { type Counts, measure } from './quality.js';
import type { Call, CallSnapshot, Platform } from './types.js';

/** What a call needs of the client it belongs to. */
export interface CallOptions {
  bookingId: string;
  platform: () => Platform;
  connection: () => Connection;
  /** Opens the connection, or cuts the wait for its next try short. */
  open: () => void;
  /** Asks the server for ICE servers, for at most that long (milliseconds). */
  iceServers: (limit: number) => Promise<RTCConfiguration>;
  onChange: (before: CallSnapshot, after: CallSnapshot) => void;
}

/** A call, and how it is told of events. */
export interface RunningCall extends Call {
  dispatch(event: Event): void;
}

const ICE_SERVERS_WITHIN = 10_000;
/** Those from before the call still hold mostly, and a restart is urgent. */
const FRESH_ICE_SERVERS_WITHIN = 3_000;

/** Makes the call of a booking, idle. */
export function createCall(options: CallOptions): RunningCall {
  const { bookingId, platform, connection } = options;
  const listeners = new Set<() => void>();
  const timers = new Map<TimerName, unknown>();
  const events: Event[] = [];
  const inputs: { audio: boolean | object; video: boolean | object } = { audio: true, video: true };
  let state: State = idle(bookingId);
  let running = false;
  let prepared = Promise.resolve();
  let configuration: RTCConfiguration = {};
  let media: MediaStream | undefined;
  let peer: RTCPeerConnection | undefined;
  let seen: RTCPeerConnectionState | undefined;
  /** What is done with the peer connection, one after the other. */
  let work = Promise.resolve();
  /** Another one for each peer connection. */
  let round = {};
  let sound: ReturnType<Platform['play']> | undefined;
  let counts: Counts | undefined;

  function dispatch(event: Event): void {
    events.push(event);
    if (running) return;
    running = true;
    try {
      for (let next = events.shift(); next; next = events.shift()) take(next);
    } finally {
      running = false;
    }
  }

  function take(event: Event): void {
    const before = state.snapshot;
    const [next, effects] = reduce(state, event, platform().clock.now());
    state = next;
    if (next.snapshot.localStream) hold(next.snapshot.localStream);
    effects.forEach(carryOut);
    if (before === next.snapshot) return;
    options.onChange(before, next.snapshot);
    listeners.forEach((listener) => listener());
  }

  function carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'prepare':
        prepared = prepare(effect.video);
        return;
      case 'release':
        return stopTracks(effect.stream);
      case 'send':
        return connection().send(effect.action, effect.data);
      case 'forget':
        return connection().forget(bookingId);
      case 'probe':
        return connection().probe();
      case 'offer':
        return onPeer(async (pc) => {
          if (effect.restart) await refreshIceServers(pc);
          await pc.setLocalDescription(await pc.createOffer({ iceRestart: effect.restart }));
          described(pc);
        });
      case 'answer':
        return onPeer(async (pc) => {
          await pc.setRemoteDescription(effect.offer as RTCSessionDescriptionInit);
          await pc.setLocalDescription(await pc.createAnswer());
          described(pc);
        });
      case 'setAnswer':
        return onPeer((pc) => pc.setRemoteDescription(effect.answer as RTCSessionDescriptionInit));
      case 'addCandidates':
        return onPeer(async (pc) => {
          // One that cannot be used, of a network that we do not have, is no harm.
          const added = effect.candidates.map((one) => pc.addIceCandidate(one));
          await Promise.allSettled(added);
        });
      case 'closePeer':
        return closePeer();
      case 'close':
        return close();
      case 'play':
        return void play(effect.stream);
      case 'mute':
        return media?.getAudioTracks().forEach((track) => (track.enabled = !effect.muted));
      case 'measure':
        return onPeer(async (pc) => {
          const [quality, now] = measure(await pc.getStats(), counts);
          counts = now;
          tell(pc, { type: 'measured', quality });
        });
      case 'timer':
        return wake(effect.name, effect.after);
    }
  }

  function wake(name: TimerName, after?: number): void {
    const { clock } = platform();
    clock.clearTimeout(timers.get(name));
    timers.delete(name);
    if (after === undefined) return;
    const fire = () => {
      timers.delete(name);
      look();
      dispatch({ type: 'timer', name });
    };
    timers.set(name, clock.setTimeout(fire, after));
  }

  // ---- the microphone and camera

  async function prepare(video: boolean): Promise<void> {
    let stream: MediaStream | undefined;
    try {
      if (!platform().RTCPeerConnection) throw new CodedError('unsupported', 'there is no WebRTC');
      // First, because some browsers ask only while a click is being handled.
      const { audio } = inputs;
      const asked = getUserMedia({ audio, video: video && inputs.video }).catch((thrown) => {
        if (!video || callError(thrown).code !== 'device_not_found') throw thrown;
        // There is no camera, then: better a call without than none.
        video = false;
        return getUserMedia({ audio, video });
      });
      const servers = options.iceServers(ICE_SERVERS_WITHIN);
      servers.catch(() => undefined);
      stream = await asked;
      configuration = await servers;
      dispatch({ type: 'prepared', stream, video });
    } catch (thrown) {
      if (stream) stopTracks(stream);
      dispatch({ type: 'unprepared', error: callError(thrown) });
    }
  }

  async function getUserMedia(wanted: MediaStreamConstraints): Promise<MediaStream> {
    const { mediaDevices } = platform();
    if (mediaDevices) return mediaDevices.getUserMedia(wanted);
    throw new CodedError('unsupported', 'no getUserMedia: is the page on HTTPS?');
  }

  function hold(stream: MediaStream): void {
    if (media === stream) return;
    media = stream;
    stream.getTracks().forEach(watch);
    platform().mediaDevices.addEventListener?.('devicechange', checkInputs);
  }

  function watch(track: MediaStreamTrack): void {
    track.onended = checkInputs;
    if (track.kind === 'audio') track.enabled = !state.snapshot.muted;
  }

  /** Falls back to the default where a device has gone. */
  async function checkInputs(): Promise<void> {
    const devices = await platform().mediaDevices.enumerateDevices?.();
    for (const track of media?.getTracks() ?? []) {
      const { deviceId } = track.getSettings?.() ?? {};
      const gone = deviceId && devices && !devices.some((one) => one.deviceId === deviceId);
      if (gone || track.readyState === 'ended') await setInput(track.kind as 'audio' | 'video');
    }
  }

  async function setInput(kind: 'audio' | 'video', deviceId?: string): Promise<void> {
    inputs[kind] = deviceId === undefined || { deviceId };
    const stream = media;
    const find = () => stream?.getTracks().find((track) => track.kind === kind);
    if (!stream || !find()) return;
    try {
      const exact = deviceId === undefined || { deviceId: { exact: deviceId } };
      const [track] = (await getUserMedia({ [kind]: exact })).getTracks();
      // Another choice may have been carried out meanwhile, and gives way to this one.
      const before = find();
      if (media !== stream || !track || !before) return track?.stop();
      watch(track);
      stream.removeTrack(before);
      stream.addTrack(track);
      before.onended = null;
      before.stop();
      const sender = peer?.getSenders().find((one) => one.track?.kind === kind);
      await sender?.replaceTrack(track);
      dispatch({ type: 'device' });
    } catch (thrown) {
      dispatch({ type: 'device', error: callError(thrown) });
    }
  }

  // ---- the peer connection

  /** Once what was begun before is done, and unless the call is over by then. */
  function onPeer(act: (pc: RTCPeerConnection) => Promise<void>): void {
    const mine = round;
    const failed = ({ message }: Error) => mine === round && dispatch({ type: 'broken', message });
    work = work
      .then(() => (mine === round ? act((peer ??= makePeer())) : undefined))
      .catch(failed) as Promise<void>;
  }

  function makePeer(): RTCPeerConnection {
    // All media over one path: fewer candidates to gather and to send.
    const pc = new (platform().RTCPeerConnection)({ ...configuration, bundlePolicy: 'max-bundle' });
    const stream = media;
    stream?.getTracks().forEach((track) => pc.addTrack(track, stream));
    pc.onicecandidate = ({ candidate }) => {
      const description = plain(pc.localDescription);
      tell(pc, { type: 'gathered', candidate: candidateInit(candidate), description });
    };
    pc.onconnectionstatechange = look;
    pc.ontrack = ({ streams: [theirs], track }) => {
      tell(pc, { type: 'track', stream: theirs ?? new MediaStream([track]) });
    };
    return pc;
  }

  /** At each timer, too: not every platform tells of every change. */
  function look(): void {
    const now = peer?.connectionState;
    if (!now || now === seen) return;
    seen = now;
    dispatch({ type: 'link', state: now });
  }

  /** A peer connection of a call that is over may still have something to say. */
  function tell(pc: RTCPeerConnection, event: Event): void {
    if (pc === peer) dispatch(event);
  }

  function described(pc: RTCPeerConnection): void {
    const description = plain(pc.localDescription);
    if (description) tell(pc, { type: 'described', description });
  }

  async function refreshIceServers(pc: RTCPeerConnection): Promise<void> {
    try {
      configuration = await options.iceServers(FRESH_ICE_SERVERS_WITHIN);
      pc.setConfiguration({ ...configuration, bundlePolicy: 'max-bundle' });
    } catch {
      // With those there are, then: the HTTP API may be as cut off as the other party is.
    }
  }

  function closePeer(): void {
    peer?.close();
    peer = seen = undefined;
    round = {};
    work = Promise.resolve();
  }

  function close(): void {
    closePeer();
    sound?.stop();
    sound = undefined;
    counts = undefined;
    if (media) {
      platform().mediaDevices.removeEventListener?.('devicechange', checkInputs);
      stopTracks(media);
    }
    media = undefined;
    [...timers.keys()].forEach((name) => wake(name));
  }

  // ---- the loudspeaker

  async function play(stream: MediaStream): Promise<void> {
    sound?.stop();
    const playing = (sound = platform().play(stream));
    const blocked = await playing.started.then(
      () => false,
      ({ name }: Error) => name === 'NotAllowedError',
    );
    if (sound === playing) dispatch({ type: 'sound', blocked });
  }

  return {
    bookingId,
    dispatch,
    getSnapshot: () => state.snapshot,
    subscribe: (listener) => listen(listeners, listener),
    initiate({ video = false } = {}) {
      if (connection().status !== 'online') options.open();
      dispatch({ type: 'initiate', video });
      return prepared;
    },
    accept({ video = false } = {}) {
      dispatch({ type: 'accept', video });
      return prepared;
    },
    reject: (reason = 'rejected') => dispatch({ type: 'reject', reason }),
    end: () => dispatch({ type: 'end' }),
    setMuted: (muted) => dispatch({ type: 'mute', muted }),
    toggleMute: () => dispatch({ type: 'mute', muted: !state.snapshot.muted }),
    setInput,
    async resumeAudio() {
      const { remoteStream } = state.snapshot;
      if (remoteStream) await play(remoteStream);
    },
  };
}

function stopTracks(stream: MediaStream): void {
  stream.getTracks().forEach((track) => {
    track.onended = null;
    track.stop();
  });
}

/** Without the methods that platforms give their own objects. */
function plain(description: RTCSessionDescription | null): RTCSessionDescriptionInit | undefined {
  return description ? { type: description.type, sdp: description.sdp } : undefined;
}

/** The fields that travel; none for the end of candidates. */
function candidateInit(candidate: RTCIceCandidate | null): RTCIceCandidateInit | undefined {
  if (!candidate?.candidate) return undefined;
  const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
  return { candidate: candidate.candidate, sdpMid, sdpMLineIndex, usernameFragment };
}
