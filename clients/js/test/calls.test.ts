/** Calls between real WebRTC stacks, through the real server. */

import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { CallSnapshot, Clock } from '../src/types.js';
import { type Device, type Peculiarities, becomes, device, until } from './devices.js';
import { type Path, openPath } from './path.js';
import { type Booking, type Party, type Stack, startStack } from './stack.js';

/** What a call on a plain network may cost, each way. */
const FRAMES = 12;
const OF_CONNECTIONS = ['join', 'joined', 'ping', 'pong'];
/** The frames of both sides of each plain call, for `make bench`. */
const plainCalls: { sent: number; received: number }[] = [];
const FOR_BENCH = new URL('../../../target/client-frames.json', import.meta.url);

let stack: Stack;
const toClose: { close(): void }[] = [];

beforeAll(async () => {
  stack = await startStack({ APP_RING_SECONDS: '4', ICE_POLICY: 'all' });
});
afterAll(async () => {
  await stack.stop();
  if (plainCalls.length > 0) writeFileSync(FOR_BENCH, JSON.stringify(plainCalls));
});
afterEach(() => toClose.splice(0).forEach((one) => one.close()));

async function online(booking: Booking, party: Party, how?: Peculiarities): Promise<Device> {
  const made = device(stack, booking, party, how);
  toClose.push(made);
  made.client.connect();
  await becomes(() => made.client.connection === 'online');
  return made;
}

/** A booking, and a device of each of its two. */
async function pair(how: { asha?: Peculiarities; ravi?: Peculiarities } = {}) {
  const booking = await stack.booking();
  const asha = await online(booking, booking.user, how.asha);
  const ravi = await online(booking, booking.provider, how.ravi);
  return { booking, asha, ravi };
}

async function path(): Promise<Path> {
  const made = await openPath();
  toClose.push(made);
  return made;
}

const is = (status: CallSnapshot['status']) => (call: CallSnapshot) => call.status === status;
const heard = (...devices: Device[]) => becomes(() => devices.every((one) => one.loudness() > 0.1));

async function talk(from: Device, to: Device): Promise<void> {
  await from.call.initiate();
  await until(to.call, is('ringing'));
  await to.call.accept();
  await Promise.all([until(from.call, is('connected')), until(to.call, is('connected'))]);
}

async function ended(one: Device) {
  const { reason, error, duration } = await until(one.call, is('ended'));
  return { reason, error: error?.code, duration };
}

test.each(['asha', 'ravi'] as const)('two talk, hear each other, and %s hangs up', async (who) => {
  const { booking, asha, ravi } = await pair();
  const incoming: string[] = [];
  ravi.client.onIncoming((call) => incoming.push(call.bookingId));
  await asha.call.initiate();
  expect(await until(ravi.call, is('ringing'))).toMatchObject({
    direction: 'incoming',
    peerName: 'Asha',
    serviceName: 'Bicycle repair',
    video: false,
  });
  expect(incoming).toEqual([booking.id]);
  expect(await until(asha.call, is('ringing'))).toMatchObject({
    direction: 'outgoing',
    peerName: 'Ravi',
  });
  await ravi.call.accept();
  const [here, there] = await Promise.all([
    until(asha.call, is('connected')),
    until(ravi.call, is('connected')),
  ]);
  expect(here.callId).toBe(there.callId);
  await heard(asha, ravi);
  await until(asha.call, (call) => call.duration === 1);
  expect([asha.client.calls(), ravi.client.calls()]).toEqual([[asha.call], [ravi.call]]);

  const tracks = [asha, ravi].map((one) => one.call.getSnapshot().localStream!.getTracks()[0]!);
  ({ asha, ravi })[who].call.end();
  const [a, r] = [await ended(asha), await ended(ravi)];
  expect([a.reason, r.reason]).toEqual(['hangup', 'hangup']);
  const [row] = await stack.history(booking);
  expect(row).toMatchObject({ id: here.callId, call_status: 'completed' });
  await becomes(() => asha.call.getSnapshot().duration === row!.duration);
  await becomes(() => ravi.call.getSnapshot().duration === row!.duration);

  expect(tracks.map((track) => track.readyState)).toEqual(['ended', 'ended']);
  expect([...asha.peers, ...ravi.peers].map((pc) => pc.connectionState)).toEqual([
    'closed',
    'closed',
  ]);
  for (const one of [asha, ravi]) {
    console.log(`frames: ${one.sent.length} out (${one.sent}), ${one.received.length} in`);
    expect(one.sent.length).toBeLessThanOrEqual(FRAMES);
    expect(one.received.length).toBeLessThanOrEqual(FRAMES);
  }
  const both = (way: 'sent' | 'received') => {
    const names = [...asha[way], ...ravi[way]];
    return names.filter((name) => !OF_CONNECTIONS.includes(name)).length;
  };
  plainCalls.push({ sent: both('sent'), received: both('received') });
});

test('a muted microphone is silent until it is not', async () => {
  const { asha, ravi } = await pair();
  await talk(asha, ravi);
  await heard(ravi);
  asha.call.toggleMute();
  expect(asha.call.getSnapshot().muted).toBe(true);
  await becomes(() => ravi.loudness() < 0.01);
  asha.call.setMuted(false);
  await heard(ravi);
});

test('another microphone takes over without another offer', async () => {
  const { asha, ravi } = await pair();
  await talk(asha, ravi);
  await heard(ravi);
  const stream = asha.call.getSnapshot().localStream!;
  const [before] = stream.getTracks();
  await asha.call.setInput('audio', 'headset');
  expect(before!.readyState).toBe('ended');
  expect(stream.getTracks()).toHaveLength(1);
  await heard(ravi);
  expect(asha.sent.filter((action) => action === 'callOffer')).toHaveLength(1);
});

test.each([
  ['rejected', 'rejected'],
  ['busy', 'missed'],
] as const)('who rejects with %s is heard', async (reason, status) => {
  const { booking, asha, ravi } = await pair();
  await asha.call.initiate();
  await until(ravi.call, is('ringing'));
  ravi.call.reject(reason);
  expect([(await ended(asha)).reason, (await ended(ravi)).reason]).toEqual([reason, reason]);
  expect(await stack.history(booking)).toMatchObject([{ call_status: status }]);
});

test('the caller gives up', async () => {
  const { booking, asha, ravi } = await pair();
  await asha.call.initiate();
  await until(ravi.call, is('ringing'));
  asha.call.end();
  expect([(await ended(asha)).reason, (await ended(ravi)).reason]).toEqual([
    'canceled',
    'canceled',
  ]);
  expect(await stack.history(booking)).toMatchObject([{ call_status: 'missed' }]);
});

test('the caller gives up before the server has named the call', async () => {
  const { booking, asha, ravi } = await pair();
  await asha.call.initiate();
  expect(asha.call.getSnapshot().callId).toBeUndefined();
  asha.call.end();
  await becomes(() => ravi.received.includes('call:ended'));
  expect((await ended(asha)).reason).toBe('canceled');
  expect((await ended(ravi)).reason).toBe('canceled');
  expect(await stack.history(booking)).toMatchObject([{ call_status: 'missed' }]);
});

test('nobody answers', async () => {
  const { booking, asha, ravi } = await pair();
  await asha.call.initiate();
  expect([(await ended(asha)).reason, (await ended(ravi)).reason]).toEqual(['timeout', 'timeout']);
  expect(await stack.history(booking)).toMatchObject([{ call_status: 'missed' }]);
});

test('nobody is there', async () => {
  const booking = await stack.booking();
  const asha = await online(booking, booking.user);
  await asha.call.initiate();
  expect((await ended(asha)).reason).toBe('unavailable');
});

test('a stranger is refused', async () => {
  const booking = await stack.booking();
  const stranger = await online(booking, (await stack.booking()).user);
  await stranger.call.initiate();
  expect(await ended(stranger)).toMatchObject({ reason: 'failed', error: 'forbidden' });
});

test('two devices ring, one answers, the other falls silent', async () => {
  const { booking, asha, ravi } = await pair();
  const tablet = await online(booking, booking.provider);
  await asha.call.initiate();
  await Promise.all([until(ravi.call, is('ringing')), until(tablet.call, is('ringing'))]);
  await tablet.call.accept();
  expect((await ended(ravi)).reason).toBe('answered_elsewhere');
  await Promise.all([until(asha.call, is('connected')), until(tablet.call, is('connected'))]);
  await heard(asha, tablet);
  asha.call.end();
  expect((await ended(tablet)).reason).toBe('hangup');
  expect(ravi.peers).toEqual([]);
});

test('a device that comes back late does not take the call from the one that answered', async () => {
  const { booking, asha, ravi } = await pair();
  const tablet = await online(booking, booking.provider);
  await asha.call.initiate();
  await Promise.all([until(ravi.call, is('ringing')), until(tablet.call, is('ringing'))]);
  ravi.sockets[0]!.terminate();
  await tablet.call.accept();
  await Promise.all([until(asha.call, is('connected')), until(tablet.call, is('connected'))]);
  expect((await ended(ravi)).reason).toBe('answered_elsewhere');
  expect(ravi.sockets).toHaveLength(2);
  await heard(asha, tablet);
  expect([asha, tablet].map((one) => one.call.getSnapshot().status)).toEqual([
    'connected',
    'connected',
  ]);
});

test('both call at once, and talk', async () => {
  const { booking, asha, ravi } = await pair();
  await Promise.all([asha.call.initiate(), ravi.call.initiate()]);
  const [here, there] = await Promise.all([
    until(asha.call, is('connected')),
    until(ravi.call, is('connected')),
  ]);
  expect(here.callId).toBe(there.callId);
  await heard(asha, ravi);
  asha.call.end();
  await ended(ravi);
  expect(await stack.history(booking)).toMatchObject([{ call_status: 'completed' }]);
});

const denied: Peculiarities = {
  platform: {
    mediaDevices: {
      getUserMedia: () => Promise.reject(new DOMException('no', 'NotAllowedError')),
    },
  },
};

test('without a microphone nobody is rung', async () => {
  const { booking, asha, ravi } = await pair({ asha: denied });
  await asha.call.initiate();
  expect(await ended(asha)).toMatchObject({ reason: 'failed', error: 'permission_denied' });
  expect(asha.sent).toEqual(['join']);
  expect(ravi.received).toEqual(['joined']);
  expect(await stack.history(booking)).toEqual([]);
});

test('without a microphone a call rings on, and can be rejected', async () => {
  const { asha, ravi } = await pair({ ravi: denied });
  await asha.call.initiate();
  await until(ravi.call, is('ringing'));
  await ravi.call.accept();
  expect(ravi.call.getSnapshot()).toMatchObject({
    status: 'ringing',
    error: { code: 'permission_denied' },
  });
  await until(asha.call, is('ringing'));
  ravi.call.reject();
  expect((await ended(asha)).reason).toBe('rejected');
});

test('a client that closes hangs up', async () => {
  const { asha, ravi } = await pair();
  await talk(asha, ravi);
  asha.client.close();
  expect((await ended(ravi)).reason).toBe('hangup');
  expect(asha.client.connection).toBe('offline');
});

test('sockets that are killed end no call, and hanging up works again', async () => {
  const { asha, ravi } = await pair();
  await talk(asha, ravi);
  await heard(asha, ravi);
  for (const one of [asha, ravi]) one.sockets[0]!.terminate();
  await becomes(() => [asha, ravi].every((one) => one.client.connection !== 'online'));
  await becomes(() => [asha, ravi].every((one) => one.client.connection === 'online'));
  expect([asha, ravi].map((one) => one.call.getSnapshot().status)).toEqual([
    'connected',
    'connected',
  ]);
  expect([asha, ravi].map((one) => one.peers.map((pc) => pc.connectionState))).toEqual([
    ['connected'],
    ['connected'],
  ]);
  await heard(asha, ravi);
  ravi.call.end();
  expect((await ended(asha)).reason).toBe('hangup');
});

test('who hangs up without a socket is free at once, and the other is told later', async () => {
  const { booking, asha, ravi } = await pair();
  await talk(asha, ravi);
  asha.sockets[0]!.terminate();
  await becomes(() => asha.client.connection !== 'online');
  asha.call.end();
  expect(asha.call.getSnapshot()).toMatchObject({ status: 'ended', reason: 'hangup' });
  expect((await ended(ravi)).reason).toBe('hangup');
  expect(await stack.history(booking)).toMatchObject([{ call_status: 'completed' }]);
});

/** A clock whose long waits the test ends. */
function rotating(): { clock: Clock; rotate(): void } {
  const long: (() => void)[] = [];
  const clock: Clock = {
    now: () => Date.now(),
    setTimeout(act, milliseconds) {
      if (milliseconds > 60 * 60_000) return void long.push(act);
      return setTimeout(act, milliseconds);
    },
    clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  };
  return { clock, rotate: () => long.splice(0).forEach((act) => act()) };
}

test('a socket is replaced before its two hours are over, and the call goes on', async () => {
  const { clock, rotate } = rotating();
  const { asha, ravi } = await pair({ ravi: { platform: { clock } } });
  await talk(asha, ravi);
  rotate();
  await becomes(() => ravi.sockets.length === 2 && ravi.sockets[0]!.readyState === 3);
  expect(ravi.client.connection).toBe('online');
  expect(ravi.call.getSnapshot().status).toBe('connected');
  asha.call.end();
  expect((await ended(ravi)).reason).toBe('hangup');
});

test('a path that is cut for eight seconds recovers', async () => {
  const way = await path();
  const { asha, ravi } = await pair({ asha: { path: way }, ravi: { path: way } });
  await talk(asha, ravi);
  await heard(asha, ravi);
  const { callId } = asha.call.getSnapshot();
  way.cut = true;
  const healed = new Promise<void>((resolve) => {
    setTimeout(() => {
      way.cut = false;
      resolve();
    }, 8_000);
  });
  await becomes(() => asha.loudness() < 0.01 && ravi.loudness() < 0.01);
  await healed;
  await heard(asha, ravi);
  for (const one of [asha, ravi]) {
    const snapshot = await until(one.call, (call) => !call.reconnecting);
    expect(snapshot).toMatchObject({ status: 'connected', callId });
  }
  console.log(`after a cut: ${asha.sent}; ${ravi.sent}`);
  asha.call.end();
  expect((await ended(ravi)).reason).toBe('hangup');
});

test('a path that is cut for good ends the call on both sides', async () => {
  const way = await path();
  const { booking, asha, ravi } = await pair({ asha: { path: way }, ravi: { path: way } });
  await talk(asha, ravi);
  way.cut = true;
  await until(asha.call, (call) => call.reconnecting);
  const [a, r] = await Promise.all([ended(asha), ended(ravi)]);
  expect([a, r]).toMatchObject([
    { reason: 'failed', error: 'media_failed' },
    { reason: 'failed', error: 'media_failed' },
  ]);
  expect(await stack.history(booking)).toMatchObject([{ call_status: 'completed' }]);
});
