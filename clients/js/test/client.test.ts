/** The client with media, sockets and time that the test owns. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createMaskline } from '../src/index.js';
import { measure } from '../src/quality.js';
import { handlePush } from '../src/react-native/push.js';
import type { Call, ErrorCode, Maskline, Platform } from '../src/types.js';
import { type FakeClock, fakeClock } from './clock.js';
import { candidate, description } from './frames.js';
import { FakeSocket } from './sockets.js';

const SECOND = 1_000;

class FakeTrack {
  enabled = true;
  readyState: 'live' | 'ended' = 'live';
  onended: (() => void) | null = null;
  constructor(
    readonly kind: 'audio' | 'video',
    readonly deviceId: string,
  ) {}
  stop(): void {
    this.readyState = 'ended';
  }
  getSettings() {
    return { deviceId: this.deviceId };
  }
}

class FakeStream {
  constructor(private tracks: FakeTrack[]) {}
  getTracks() {
    return [...this.tracks];
  }
  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === 'audio');
  }
  addTrack(track: FakeTrack): void {
    this.tracks.push(track);
  }
  removeTrack(track: FakeTrack): void {
    this.tracks = this.tracks.filter((one) => one !== track);
  }
}

class FakePeer {
  static all: FakePeer[] = [];
  connectionState: RTCPeerConnectionState = 'new';
  localDescription: RTCSessionDescriptionInit | null = null;
  remotes: string[] = [];
  candidates: RTCIceCandidateInit[] = [];
  senders: { track: FakeTrack; replaceTrack(track: FakeTrack): Promise<void> }[] = [];
  configurations: RTCConfiguration[];
  broken = false;
  onicecandidate: ((event: { candidate: RTCIceCandidateInit | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  ontrack: ((event: { streams: FakeStream[]; track: FakeTrack }) => void) | null = null;
  private starts = 0;

  constructor(configuration: RTCConfiguration) {
    this.configurations = [configuration];
    FakePeer.all.push(this);
  }
  addTrack(track: FakeTrack): void {
    const sender = {
      track,
      async replaceTrack(other: FakeTrack) {
        await Promise.resolve();
        sender.track = other;
      },
    };
    this.senders.push(sender);
  }
  getSenders() {
    return this.senders;
  }
  setConfiguration(configuration: RTCConfiguration): void {
    this.configurations.push(configuration);
  }
  async createOffer({ iceRestart }: RTCOfferOptions) {
    if (this.broken) throw new Error('no offer');
    if (iceRestart) this.starts++;
    return description('offer', `ours${this.starts}`);
  }
  async createAnswer() {
    return description('answer', `ours${this.starts}`);
  }
  async setLocalDescription(given: RTCSessionDescriptionInit) {
    this.localDescription = given;
  }
  async setRemoteDescription({ sdp }: RTCSessionDescriptionInit) {
    this.remotes.push(sdp!);
  }
  async addIceCandidate(given: RTCIceCandidateInit) {
    if (this.remotes.length === 0) throw new Error('a candidate before the description');
    this.candidates.push(given);
  }
  async getStats() {
    return new Map();
  }
  close(): void {
    this.connectionState = 'closed';
  }
  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

let clock: FakeClock;
let client: Maskline;
let call: Call;
let microphone: (wanted: any) => Promise<FakeStream>;
let asked: any[];
let devices: EventTarget & { here: string[] };
let played: { stream: unknown; stopped: boolean }[];
let soundBlocked: boolean;
let getToken: () => Promise<string>;
let iceAnswers: () => Promise<Response>;
let requests: { url: string; authorization: string }[];

const ice = (more: object = {}) => ({
  iceServers: [{ urls: 'turn:turn.example.com', username: `u${requests.length}`, credential: 'c' }],
  iceTransportPolicy: 'relay',
  expiresAt: '2026-11-21T00:00:00.000Z',
  ...more,
});

function start(more: Partial<Platform> = {}): void {
  client = createMaskline({
    socketUrl: 'wss://example.com/live',
    apiUrl: 'https://example.com/',
    userId: 'asha',
    getToken: () => getToken(),
    platform: {
      WebSocket: FakeSocket as unknown as Platform['WebSocket'],
      RTCPeerConnection: FakePeer as unknown as Platform['RTCPeerConnection'],
      mediaDevices: Object.assign(devices, {
        getUserMedia: (wanted: object) => {
          asked.push(wanted);
          return microphone(wanted);
        },
        enumerateDevices: async () => devices.here.map((deviceId) => ({ deviceId })),
      }) as unknown as Platform['mediaDevices'],
      fetch: (async (url: string, { headers }: { headers: { authorization: string } }) => {
        requests.push({ url, authorization: headers.authorization });
        return iceAnswers();
      }) as unknown as typeof fetch,
      clock,
      random: () => 0.5,
      play(stream) {
        const one = { stream, stopped: false };
        played.push(one);
        const blocked = new DOMException('touch the page', 'NotAllowedError');
        const started = soundBlocked ? Promise.reject(blocked) : Promise.resolve();
        return { started, stop: () => void (one.stopped = true) };
      },
      ...more,
    },
  });
  call = client.call('b');
}

beforeEach(() => {
  clock = fakeClock(1_000_000);
  FakeSocket.all = [];
  FakePeer.all = [];
  asked = [];
  played = [];
  requests = [];
  soundBlocked = false;
  devices = Object.assign(new EventTarget(), { here: ['default', 'headset'] });
  microphone = async (wanted) => {
    const kinds = (['audio', 'video'] as const).filter((kind) => wanted[kind]);
    return new FakeStream(
      kinds.map((kind) => new FakeTrack(kind, wanted[kind]?.deviceId?.exact ?? 'default')),
    );
  };
  getToken = async () => 'token';
  iceAnswers = async () => Response.json({ status: 'success', data: ice() });
  start();
});
afterEach(() => {
  client.close();
  vi.unstubAllGlobals();
});

const socket = () => FakeSocket.all.at(-1)!;
const peer = () => FakePeer.all.at(-1)!;
const settle = () => clock.pass(0);
const rings = (callId: string) => ({
  bookingId: 'b',
  callId,
  version: 1,
  callerName: 'Asha',
  receiverName: 'Ravi',
  serviceName: 'Bicycle repair',
  expiresAt: new Date(clock.now() + 45_000).toISOString(),
});

async function online(): Promise<void> {
  client.connect();
  await settle();
  socket().welcome();
}

/** Calls, up to the answer. */
async function accepted(): Promise<void> {
  await online();
  void call.initiate();
  await settle();
  socket().answer('callInitiate', 'call:ringing', rings('b.1'));
  socket().tell('call:accepted', { bookingId: 'b', callId: 'b.1', version: 2 });
  await settle();
}

async function connected(): Promise<void> {
  await accepted();
  const answer = description('answer', 'theirs0');
  socket().tell('call:answer', { bookingId: 'b', callId: 'b.1', version: 2, answer });
  await settle();
  peer().becomes('connected');
}

/** The audio stops; the socket still lives. */
function interrupted(): void {
  peer().becomes('disconnected');
  socket().answer('ping', 'pong');
}

describe('before anybody is rung', () => {
  test('the microphone is asked for, and the ICE servers with the token', async () => {
    await online();
    const begun = call.initiate();
    expect(call.getSnapshot().status).toBe('calling');
    expect(asked).toEqual([{ audio: true, video: false }]);
    await settle();
    await begun;
    expect(requests).toEqual([
      { url: 'https://example.com/api/calls/ice-servers', authorization: 'Bearer token' },
    ]);
    expect(peer().configurations).toMatchObject([{ iceTransportPolicy: 'relay' }]);
    expect(socket().actions).toEqual(['join', 'callInitiate']);
  });

  test.each<[string, ErrorCode]>([
    ['NotAllowedError', 'permission_denied'],
    ['SecurityError', 'permission_denied'],
    ['NotFoundError', 'device_not_found'],
    ['OverconstrainedError', 'device_not_found'],
    ['NotReadableError', 'device_in_use'],
    ['AbortError', 'device_in_use'],
    ['SomethingElse', 'unknown'],
  ])('%s is %s', async (name, code) => {
    microphone = () => Promise.reject(new DOMException('no', name));
    await online();
    await call.initiate();
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', error: { code } });
    expect(asked).toHaveLength(1);
    expect(socket().actions).toEqual(['join']);
  });

  test.each([
    { mediaDevices: undefined },
    { RTCPeerConnection: undefined },
  ])('a platform without %o is unsupported', async (without) => {
    start(without as unknown as Partial<Platform>);
    await call.initiate();
    expect(call.getSnapshot().error?.code).toBe('unsupported');
  });

  test.each<[() => Promise<Response>, ErrorCode]>([
    [() => Promise.reject(new TypeError('no network')), 'offline'],
    [
      async () =>
        Response.json({ status: 'error', code: 'unauthorized', message: 'no' }, { status: 401 }),
      'unauthorized',
    ],
    [() => new Promise(() => undefined), 'offline'],
    [() => Promise.reject(new DOMException('the page is left', 'AbortError')), 'offline'],
    [async () => new Response('<html>Please sign in to this network</html>'), 'offline'],
    [async () => new Response('<html>Bad gateway</html>', { status: 502 }), 'offline'],
    [async () => Response.json({ welcome: 'to this network' }), 'offline'],
    [async () => Response.json({ message: 'Forbidden' }, { status: 403 }), 'unknown'],
  ])('without ICE servers the microphone is let go (%#)', async (answer, code) => {
    iceAnswers = answer;
    const stream = new FakeStream([new FakeTrack('audio', 'default')]);
    microphone = async () => stream;
    await online();
    void call.initiate();
    await clock.pass(10 * SECOND);
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', error: { code } });
    expect(stream.getTracks()[0]!.readyState).toBe('ended');
    expect(socket().actions).toEqual(['join']);
  });

  test.each([
    ['TypeError', () => Promise.reject(new TypeError('Failed to fetch'))],
    ['AbortError', () => Promise.reject(new DOMException('it took too long', 'AbortError'))],
    ['nothing', () => Promise.reject()],
    ['no answer', () => new Promise<string>(() => undefined)],
  ])('without a token the app is offline (%s)', async (_, given) => {
    await online();
    getToken = given;
    void call.initiate();
    await clock.pass(10 * SECOND);
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', error: { code: 'offline' } });
    expect(socket().actions).toEqual(['join']);
  });

  test('a platform that says nothing of why there is no microphone ends the call', async () => {
    microphone = () => Promise.reject();
    await online();
    await call.initiate();
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', error: { code: 'unknown' } });
  });

  test('who hangs up while asked for the microphone keeps none', async () => {
    const stream = new FakeStream([new FakeTrack('audio', 'default')]);
    let allow = () => undefined as void;
    microphone = () => new Promise((resolve) => (allow = () => resolve(stream)));
    await online();
    void call.initiate();
    call.end();
    allow();
    await settle();
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', reason: 'canceled' });
    expect(stream.getTracks()[0]!.readyState).toBe('ended');
    expect(socket().actions).toEqual(['join']);
  });

  test('without a connection the call fails after a while, and rings nobody later', async () => {
    void call.initiate();
    await clock.pass(13 * SECOND);
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', error: { code: 'offline' } });
    await online();
    await clock.pass(SECOND);
    expect(socket().actions).toEqual(['join']);
  });

  test('the camera only where it is wanted', async () => {
    await online();
    await Promise.all([call.initiate({ video: true }), settle()]);
    expect(asked).toEqual([{ audio: true, video: true }]);
    expect(socket().frames[1]!.data.media).toEqual({ audio: true, video: true });
    const audio = { ...rings('c.1'), bookingId: 'c' };
    socket().tell('call:incoming', audio);
    await Promise.all([client.call('c').accept({ video: true }), settle()]);
    expect(asked[1]).toEqual({ audio: true, video: false });
  });
});

describe('without a camera', () => {
  const both = { audio: true, video: true };
  const audio = { audio: true, video: false };

  beforeEach(() => {
    const give = microphone;
    microphone = async (wanted) => {
      if (wanted.video) throw new DOMException('there is none', 'NotFoundError');
      return give(wanted);
    };
  });

  test('a video call is made as an audio call', async () => {
    await online();
    await Promise.all([call.initiate({ video: true }), settle()]);
    expect(asked).toEqual([both, audio]);
    expect(requests).toHaveLength(1);
    expect(socket().frames[1]).toMatchObject({ action: 'callInitiate', data: { media: audio } });
    expect(call.getSnapshot()).toMatchObject({ status: 'calling', video: false });
  });

  test('a video call is taken with the microphone, and shows the other', async () => {
    await online();
    socket().tell('call:incoming', { ...rings('b.1'), media: both });
    await Promise.all([call.accept({ video: true }), settle()]);
    expect(asked).toEqual([both, audio]);
    expect(call.getSnapshot()).toMatchObject({ status: 'connecting', video: true });
  });

  test('and without a microphone there is no call', async () => {
    microphone = () => Promise.reject(new DOMException('there is none', 'NotFoundError'));
    await online();
    await call.initiate({ video: true });
    expect(asked).toEqual([both, audio]);
    expect(call.getSnapshot()).toMatchObject({
      status: 'ended',
      error: { code: 'device_not_found' },
    });
  });

  test('a camera that is not allowed ends the call all the same', async () => {
    microphone = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    await online();
    await call.initiate({ video: true });
    expect(asked).toEqual([both]);
    expect(call.getSnapshot().error?.code).toBe('permission_denied');
  });
});

describe('media', () => {
  test('a relay that refuses our credential: the call ends by its own deadline', async () => {
    await accepted();
    await clock.pass(19 * SECOND);
    expect(peer().connectionState).toBe('new');
    expect(call.getSnapshot().status).toBe('connecting');
    await clock.pass(SECOND);
    expect(call.getSnapshot()).toMatchObject({
      status: 'ended',
      reason: 'failed',
      error: { code: 'media_failed' },
    });
    expect(socket().actions.at(-1)).toBe('callEnd');
    expect(peer().connectionState).toBe('closed');
  });

  test('an offer that is not answered is repeated', async () => {
    await accepted();
    await clock.pass(9 * SECOND);
    expect(socket().actions.filter((action) => action === 'callOffer')).toHaveLength(3);
  });

  test('candidates come after the description, whatever came first', async () => {
    await online();
    socket().tell('call:incoming', rings('b.1'));
    void call.accept();
    await settle();
    const relayed = { bookingId: 'b', callId: 'b.1', version: 2 };
    socket().tell('call:ice-candidate', { ...relayed, candidate: [candidate('theirs', 1)] });
    await settle();
    expect(FakePeer.all).toEqual([]);
    socket().tell('call:offer', { ...relayed, offer: description('offer', 'theirs') });
    socket().tell('call:ice-candidate', { ...relayed, candidate: candidate('theirs', 2) });
    await settle();
    expect(peer().candidates).toEqual([candidate('theirs', 1), candidate('theirs', 2)]);
    expect(socket().actions.at(-1)).toBe('callAnswer');
  });

  test('a restart has fresh ICE servers', async () => {
    await connected();
    peer().becomes('disconnected');
    await clock.pass(2.9 * SECOND);
    // It is shown at once, and restarted only if it does not pass by itself.
    expect(call.getSnapshot().reconnecting).toBe(true);
    expect(requests).toHaveLength(1);
    await clock.pass(0.2 * SECOND);
    expect(requests).toHaveLength(2);
    const names = peer().configurations.map(({ iceServers }) => iceServers![0]!.username);
    expect(names).toEqual(['u1', 'u2']);
    expect(socket().frames.at(-1)!.data.offer).toEqual(description('offer', 'ours1'));
    peer().becomes('connected');
    expect(call.getSnapshot()).toMatchObject({ status: 'connected', reconnecting: false });
  });

  test('a restart that got no answer and was not needed does not stand in the way of the next', async () => {
    await connected();
    const offers = () => socket().frames.filter(({ action }) => action === 'callOffer').slice(1);
    interrupted();
    await clock.pass(3 * SECOND);
    expect(offers()).toHaveLength(1);
    peer().becomes('connected');
    await clock.pass(60 * SECOND);
    expect(offers()).toHaveLength(1);
    interrupted();
    await clock.pass(3 * SECOND);
    expect(offers().map(({ data }) => data.offer)).toEqual([
      description('offer', 'ours1'),
      description('offer', 'ours2'),
    ]);
    const answer = description('answer', 'theirs2');
    socket().tell('call:answer', { bookingId: 'b', callId: 'b.1', version: 2, answer });
    await settle();
    expect(peer().remotes.at(-1)).toBe(answer.sdp);
  });

  test('an answer that comes late is set all the same', async () => {
    await connected();
    interrupted();
    await clock.pass(3 * SECOND);
    peer().becomes('connected');
    await clock.pass(10 * SECOND);
    const answer = description('answer', 'theirs1');
    socket().tell('call:answer', { bookingId: 'b', callId: 'b.1', version: 2, answer });
    await settle();
    expect(peer().remotes.at(-1)).toBe(answer.sdp);
  });

  test('a restart goes on with the servers there were, where no fresh ones come', async () => {
    await connected();
    iceAnswers = () => new Promise(() => undefined);
    peer().becomes('failed');
    await clock.pass(4.1 * SECOND);
    expect(socket().frames.at(-1)!.data.offer).toEqual(description('offer', 'ours1'));
  });

  test('a change of state of which nobody told is seen all the same', async () => {
    await connected();
    peer().becomes('disconnected');
    peer().connectionState = 'connected';
    await clock.pass(30 * SECOND);
    expect(call.getSnapshot()).toMatchObject({ status: 'connected', reconnecting: false });
  });

  test('what throws ends the call', async () => {
    await online();
    void call.initiate();
    await settle();
    socket().answer('callInitiate', 'call:ringing', rings('b.1'));
    socket().tell('call:accepted', { bookingId: 'b', callId: 'b.1', version: 2 });
    peer().becomes('connected');
    peer().broken = true;
    peer().becomes('failed');
    const answer = description('answer', 'theirs0');
    socket().tell('call:answer', { bookingId: 'b', callId: 'b.1', version: 2, answer });
    await clock.pass(2 * SECOND);
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', error: { message: 'no offer' } });
  });

  test('when it ends, everything is closed, and no timer is left', async () => {
    await connected();
    const stream = new FakeStream([]);
    peer().ontrack!({ streams: [stream], track: new FakeTrack('audio', '') });
    const [track] = call.getSnapshot().localStream!.getTracks();
    call.end();
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', reason: 'hangup' });
    expect(call.getSnapshot().localStream).toBeUndefined();
    expect(track!.readyState).toBe('ended');
    expect(played).toEqual([{ stream, stopped: true }]);
    const { length } = socket().frames;
    socket().answer('callEnd', 'call:ended', {
      ...{ bookingId: 'b', callId: 'b.1', version: 3 },
      ...{ duration: 5, reason: 'hangup' },
    });
    await clock.pass(120 * SECOND);
    expect(call.getSnapshot().duration).toBe(5);
    expect(socket().frames).toHaveLength(length);
  });

  test('seconds are counted from the accept', async () => {
    await connected();
    const shown: number[] = [];
    call.subscribe(() => shown.push(call.getSnapshot().duration));
    await clock.pass(3.5 * SECOND);
    expect(shown).toEqual([1, 2, 3]);
  });

  test('the snapshot is the same until something changes', async () => {
    await online();
    const before = call.getSnapshot();
    expect(call.getSnapshot()).toBe(before);
    socket().tell('call:ended', { bookingId: 'b', callId: 'b.0', version: 1, reason: 'hangup' });
    expect(call.getSnapshot()).toBe(before);
  });
});

describe('devices', () => {
  test('sound that is held back starts with a touch', async () => {
    await connected();
    soundBlocked = true;
    const stream = new FakeStream([]);
    peer().ontrack!({ streams: [stream], track: new FakeTrack('audio', '') });
    await settle();
    expect(call.getSnapshot().audioBlocked).toBe(true);
    soundBlocked = false;
    await call.resumeAudio();
    expect(call.getSnapshot().audioBlocked).toBe(false);
    expect(played.map(({ stopped }) => stopped)).toEqual([true, false]);
  });

  test('muting holds for a microphone that comes later', async () => {
    await connected();
    call.setMuted(true);
    await call.setInput('audio', 'headset');
    const [track] = call.getSnapshot().localStream!.getTracks();
    expect(track).toMatchObject({ deviceId: 'headset', enabled: false });
    expect(peer().senders[0]!.track).toBe(track);
    call.toggleMute();
    expect(track!.enabled).toBe(true);
  });

  test('one that cannot be used leaves the one there is', async () => {
    await connected();
    const [before] = call.getSnapshot().localStream!.getTracks();
    microphone = () => Promise.reject(new DOMException('taken', 'NotReadableError'));
    await call.setInput('audio', 'headset');
    expect(call.getSnapshot()).toMatchObject({
      status: 'connected',
      error: { code: 'device_in_use' },
    });
    expect(before!.readyState).toBe('live');
    expect(peer().senders[0]!.track).toBe(before);
  });

  test('one that vanishes gives way to the default', async () => {
    await connected();
    await call.setInput('audio', 'headset');
    devices.dispatchEvent(new Event('devicechange'));
    await settle();
    expect(asked).toHaveLength(2);
    devices.here = ['default'];
    devices.dispatchEvent(new Event('devicechange'));
    await settle();
    const [track] = call.getSnapshot().localStream!.getTracks();
    expect(track).toMatchObject({ deviceId: 'default' });
    expect(peer().senders[0]!.track).toBe(track);
  });

  test('of microphones asked for at once only one is kept, and heard', async () => {
    await connected();
    await call.setInput('audio', 'headset');
    const taken: FakeTrack[] = [];
    const give = microphone;
    microphone = async (wanted) => {
      const stream = await give(wanted);
      taken.push(...stream.getTracks());
      return stream;
    };
    devices.here = ['default', 'speaker'];
    devices.dispatchEvent(new Event('devicechange'));
    devices.dispatchEvent(new Event('devicechange'));
    await Promise.all([call.setInput('audio', 'speaker'), settle()]);
    const live = taken.filter(({ readyState }) => readyState === 'live');
    expect(taken).toHaveLength(3);
    expect(live).toEqual(call.getSnapshot().localStream!.getTracks());
    expect(live).toEqual([peer().senders[0]!.track]);
    call.end();
    expect(live.map(({ readyState }) => readyState)).toEqual(['ended']);
  });

  test('one that ends gives way to the default, where nothing else tells', async () => {
    await connected();
    const [track] = call.getSnapshot().localStream!.getTracks() as unknown as FakeTrack[];
    track!.readyState = 'ended';
    track!.onended!();
    await settle();
    expect(call.getSnapshot().localStream!.getTracks()[0]!.readyState).toBe('live');
  });

  test('the microphone chosen once is asked for in the next call, too', async () => {
    await call.setInput('audio', 'headset');
    await online();
    void call.initiate();
    expect(asked).toEqual([{ audio: { deviceId: 'headset' }, video: false }]);
  });
});

describe('the client', () => {
  test('a call that rings is told of once, and is among the calls', async () => {
    await online();
    const told: Call[] = [];
    const stop = client.onIncoming((one) => told.push(one));
    const changes = vi.fn();
    client.subscribe(changes);
    socket().tell('call:incoming', rings('b.1'));
    socket().tell('call:incoming', rings('b.1'));
    expect(told).toEqual([call]);
    expect(client.calls()).toEqual([call]);
    expect(client.calls()).toBe(client.calls());
    expect(changes).toHaveBeenCalledTimes(1);
    stop();
    call.reject();
    socket().tell('call:incoming', rings('b.2'));
    expect(told).toHaveLength(1);
  });

  test('a call that stopped ringing while there was no socket does not ring on', async () => {
    await online();
    socket().tell('call:incoming', rings('b.1'));
    socket().cut();
    await clock.pass(SECOND);
    socket().welcome();
    // Another device may have it, so it is not claimed.
    expect(socket().frames[0]!.data).toEqual({ userId: 'asha' });
    await clock.pass(9 * SECOND);
    expect(call.getSnapshot().status).toBe('ringing');
    await clock.pass(2 * SECOND);
    expect(call.getSnapshot()).toMatchObject({ status: 'ended', reason: 'timeout' });
  });

  test('one that still rings does', async () => {
    await online();
    socket().tell('call:incoming', rings('b.1'));
    socket().cut();
    await clock.pass(SECOND);
    socket().welcome();
    socket().answer('join', 'call:incoming', rings('b.1'));
    await clock.pass(30 * SECOND);
    expect(call.getSnapshot().status).toBe('ringing');
  });

  test('a call of this device is claimed by its next socket', async () => {
    await connected();
    socket().cut();
    await clock.pass(SECOND);
    socket().open();
    expect(socket().frames[0]!.data).toEqual({ userId: 'asha', callId: 'b.1' });
  });

  test('a call is not held up by the wait for the next try', async () => {
    client.connect();
    for (let failure = 0; failure < 6; failure++) {
      await settle();
      socket().cut();
      await clock.pass(15 * SECOND);
    }
    socket().cut();
    const { length } = FakeSocket.all;
    void call.initiate();
    await settle();
    expect(FakeSocket.all).toHaveLength(length + 1);
    socket().welcome();
    await settle();
    expect(socket().actions).toEqual(['join', 'callInitiate']);
  });

  test('a push brings its call over a socket that died while the app slept', async () => {
    await online();
    const dead = socket();
    const push = {
      ...{ type: 'call.incoming', callId: 'b.1', bookingId: 'b', userId: 'ravi' },
      ...{ callerName: 'Asha', expiresAt: rings('b.1').expiresAt },
    };
    expect(handlePush(client, push)).toBe(true);
    expect(dead.actions).toEqual(['join', 'ping']);
    await clock.pass(5 * SECOND);
    expect(socket()).not.toBe(dead);
    socket().welcome();
    socket().answer('join', 'call:incoming', rings('b.1'));
    expect(call.getSnapshot().status).toBe('ringing');
  });

  test.each([
    ['connected before', () => client.connect()],
    ['only called', () => undefined],
  ])('a page that is left hangs up, one that %s', async (_, before) => {
    const target = new EventTarget();
    vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
    vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target));
    before();
    void call.initiate();
    await settle();
    socket().welcome();
    await settle();
    socket().answer('callInitiate', 'call:ringing', rings('b.1'));
    target.dispatchEvent(new Event('pagehide'));
    expect(socket().actions.at(-1)).toBe('callEnd');
    expect(call.getSnapshot().status).toBe('ended');
  });

  test('after closing, it connects and rings again', async () => {
    await online();
    socket().tell('call:incoming', rings('b.1'));
    client.close();
    expect(call.getSnapshot().status).toBe('idle');
    expect(client.calls()).toEqual([]);
    await online();
    socket().tell('call:incoming', rings('b.1'));
    expect(call.getSnapshot().status).toBe('ringing');
  });

  test('made where there is nothing of a browser, it touches nothing', () => {
    const plain = createMaskline({
      socketUrl: 'wss://example.com/live',
      apiUrl: 'https://example.com',
      userId: 'asha',
      getToken: () => {
        throw new Error('nobody asked');
      },
    });
    expect(plain.connection).toBe('offline');
    expect(plain.calls()).toEqual([]);
    expect(plain.call('b')).toBe(plain.call('b'));
    expect(plain.call('b').getSnapshot().status).toBe('idle');
  });
});

describe('quality', () => {
  const stats = (received: number, lost: number, jitter = 0.005, roundTripTime = 0.05) =>
    new Map<string, object>([
      ['video', { type: 'inbound-rtp', kind: 'video', packetsLost: 900, packetsReceived: 1 }],
      ['in', { type: 'inbound-rtp', kind: 'audio', packetsReceived: received, packetsLost: lost, jitter }],
      ['out', { type: 'remote-inbound-rtp', kind: 'audio', roundTripTime }],
    ]) as unknown as RTCStatsReport;
  const before = { received: 1_000, lost: 10 };

  test('a good line', () => {
    const [quality, counts] = measure(stats(1_250, 10), before);
    expect(quality).toEqual({
      score: 4.4,
      warnings: [],
      roundTripMs: 50,
      jitterMs: 5,
      packetLoss: 0,
    });
    expect(counts).toEqual({ received: 1_250, lost: 10 });
  });

  test.each([
    ['packet_loss', stats(1_225, 35), 3.5],
    ['jitter', stats(1_250, 10, 0.06), 4.3],
    ['round_trip', stats(1_250, 10, 0.005, 0.9), 2.6],
  ] as const)('%s is warned of', (warning, given, score) => {
    const [quality] = measure(given, before);
    expect(quality.warnings).toEqual([warning]);
    expect(quality.score).toBeCloseTo(score, 1);
  });

  test('silence is the worst', () => {
    const [quality] = measure(stats(1_000, 10), before);
    expect(quality).toMatchObject({ score: 1, warnings: ['no_audio'], packetLoss: 0 });
  });

  test('no statistics, no figures', () => {
    const [quality] = measure(new Map() as unknown as RTCStatsReport);
    expect(quality).toEqual({
      score: 1,
      warnings: ['no_audio'],
      roundTripMs: undefined,
      jitterMs: undefined,
      packetLoss: 0,
    });
  });

  test('it is measured every five seconds while connected', async () => {
    await connected();
    expect(call.getSnapshot().quality).toBeUndefined();
    await clock.pass(5 * SECOND);
    expect(call.getSnapshot().quality).toMatchObject({ warnings: ['no_audio'] });
  });
});
