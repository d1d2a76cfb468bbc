import { beforeEach, describe, expect, it, vi } from 'vitest';

import {
  type CallUi,
  type CallUiBridge,
  type CallUiEvent,
  bridgeCallUi,
} from '../../src/react-native/callUi.js';
import { createNativePlatform } from '../../src/react-native/platform.js';
import { handlePush, readPush } from '../../src/react-native/push.js';
import { CONNECTED, FakeMaskline, INCOMING, OUTGOING } from './fake.js';

describe('createNativePlatform', () => {
  const webrtc = { RTCPeerConnection: class {}, mediaDevices: { getUserMedia: vi.fn() } };

  it('takes WebRTC from the module and storage from the app', () => {
    const storage = { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() };
    const platform = createNativePlatform({ webrtc, storage });
    expect(platform.RTCPeerConnection).toBe(webrtc.RTCPeerConnection);
    expect(platform.mediaDevices).toBe(webrtc.mediaDevices);
    expect(platform.storage).toBe(storage);
  });

  it('has the sound routed while there is some', async () => {
    const audioRoute = { start: vi.fn(), stop: vi.fn() };
    const platform = createNativePlatform({ webrtc, audioRoute });
    const playing = platform.play?.({} as MediaStream);
    await playing?.started;
    expect(audioRoute.start).toHaveBeenCalledOnce();
    expect(audioRoute.stop).not.toHaveBeenCalled();
    playing?.stop();
    expect(audioRoute.stop).toHaveBeenCalledOnce();
  });
});

const NOW = Date.UTC(2026, 10, 21, 12);
const PUSH = {
  type: 'call.incoming',
  callId: 'b1.1',
  bookingId: 'b1',
  userId: 'ravi',
  callerName: 'Asha Rao',
  expiresAt: '2026-11-21T12:00:45.000Z',
};

describe('readPush', () => {
  it("reads the push hook's body", () => {
    const { type: _, ...push } = PUSH;
    expect(readPush(PUSH)).toEqual({ ...push, expiresAt: NOW + 45_000 });
  });

  it.each([
    undefined,
    null,
    'call.incoming',
    {},
    { ...PUSH, type: 'message' },
    { ...PUSH, callId: '' },
    { ...PUSH, bookingId: 7 },
    { ...PUSH, userId: undefined },
    { ...PUSH, callerName: null },
    { ...PUSH, expiresAt: 'soon' },
    { ...PUSH, expiresAt: undefined },
  ])('knows what is none: %o', (payload) => {
    expect(readPush(payload)).toBeUndefined();
  });
});

describe('the system’s call screen', () => {
  let client: FakeMaskline;
  let reported: string[];
  let press: (event: CallUiEvent) => void;
  let bridge: CallUiBridge;
  let timers: Map<number, { act: () => void; milliseconds: number }>;
  let subscribed: boolean;

  beforeEach(() => {
    client = new FakeMaskline();
    client.connection = 'offline';
    reported = [];
    timers = new Map();
    let ids = 0;
    const clock = {
      now: () => NOW,
      setTimeout: (act: () => void, milliseconds: number) => {
        timers.set((ids += 1), { act, milliseconds });
        return ids;
      },
      clearTimeout: (timer: unknown) => void timers.delete(timer as number),
    };
    const ui: CallUi = {
      reportIncoming: ({ callId, peerName }) => reported.push(`incoming ${callId} ${peerName}`),
      reportOutgoing: ({ callId, peerName }) => reported.push(`outgoing ${callId} ${peerName}`),
      reportConnected: (callId) => reported.push(`connected ${callId}`),
      reportEnded: (callId, reason) => reported.push(`ended ${callId} ${reason}`),
      subscribe: (listener) => {
        press = listener;
        subscribed = true;
        return () => (subscribed = false);
      },
    };
    bridge = bridgeCallUi(client, ui, clock);
  });

  it('is told of an incoming call, each thing once', () => {
    const call = client.call('b1');
    call.becomes(INCOMING);
    call.becomes({ peerName: 'Asha' });
    press({ type: 'answer', callId: 'b1.1' });
    call.becomes({ status: 'connecting' });
    call.becomes({ status: 'connected', duration: 0 });
    call.becomes({ duration: 1 });
    press({ type: 'end', callId: 'b1.1' });
    call.becomes({ status: 'ended', reason: 'hangup' });
    call.becomes({ duration: 2 });
    expect(call.asked).toEqual(['accept', 'end']);
    const told = ['incoming b1.1 Asha Rao', 'connected b1.1', 'ended b1.1 hangup'];
    expect(reported).toEqual(told);
    press({ type: 'end', callId: 'b1.1' });
    expect(call.asked).toEqual(['accept', 'end']);
  });

  it('is told of an outgoing call once the server has named it', () => {
    const call = client.call('b1');
    call.becomes({ status: 'calling', direction: 'outgoing' });
    expect(reported).toEqual([]);
    call.becomes(OUTGOING);
    call.becomes({ status: 'ended', reason: 'busy' });
    call.becomes({ ...OUTGOING, callId: 'b1.2' });
    expect(reported).toEqual(['outgoing b1.1 Ravi', 'ended b1.1 busy', 'outgoing b1.2 Ravi']);
  });

  it('declines, mutes and holds', () => {
    const call = client.call('b1');
    call.becomes(INCOMING);
    press({ type: 'end', callId: 'b1.1' });
    call.becomes({ ...CONNECTED, callId: 'b1.1' });
    press({ type: 'hold', callId: 'b1.1', held: true });
    press({ type: 'hold', callId: 'b1.1', held: true });
    press({ type: 'hold', callId: 'b1.1', held: false });
    press({ type: 'mute', callId: 'b1.1', muted: true });
    press({ type: 'hold', callId: 'b1.1', held: true });
    press({ type: 'hold', callId: 'b1.1', held: false });
    expect(call.asked).toEqual([
      'reject rejected',
      'muted true',
      'muted true',
      'muted false',
      'muted true',
      'muted true',
      'muted true',
    ]);
    expect(call.snapshot.muted).toBe(true);
  });

  it('shows a pushed call at once, and takes it when it comes if it has been answered', () => {
    expect(handlePush(client, PUSH, bridge)).toBe(true);
    expect(handlePush(client, PUSH, bridge)).toBe(true);
    expect(handlePush(client, { type: 'message' }, bridge)).toBe(false);
    expect(client.connects).toBe(2);
    press({ type: 'answer', callId: 'b1.1' });
    const call = client.call('b1');
    expect(call.asked).toEqual([]);
    call.becomes(INCOMING);
    expect(call.asked).toEqual(['accept']);
    expect(reported).toEqual(['incoming b1.1 Asha Rao']);
    expect(timers.size).toBe(0);
  });

  it('declines a pushed call when it comes, and does not show it again', () => {
    handlePush(client, PUSH, bridge);
    press({ type: 'end', callId: 'b1.1' });
    const call = client.call('b1');
    call.becomes(INCOMING);
    call.becomes({ status: 'ended', reason: 'rejected' });
    expect(call.asked).toEqual(['reject rejected']);
    expect(reported).toEqual(['incoming b1.1 Asha Rao']);
  });

  it('takes a pushed call that never comes away when it has rung out', () => {
    handlePush(client, PUSH, bridge);
    const [timer] = timers.values();
    expect(timer?.milliseconds).toBe(45_000);
    timer?.act();
    expect(reported).toEqual(['incoming b1.1 Asha Rao', 'ended b1.1 timeout']);
  });

  it.each([
    ['2020-01-01T00:00:00Z', 45_000],
    ['2026-11-21T12:05:00Z', 300_000],
    ['2030-01-01T00:00:00Z', 600_000],
  ])('waits no shorter or longer than calls ring, whatever the clock: %s', (expiresAt, left) => {
    handlePush(client, { ...PUSH, expiresAt }, bridge);
    expect([...timers.values()].map(({ milliseconds }) => milliseconds)).toEqual([left]);
  });

  it('waits anew whenever the connection changes, and only then', () => {
    const waits = () => [...timers].map(([id, { milliseconds }]) => [id, milliseconds]);
    handlePush(client, PUSH, bridge);
    client.connection = 'connecting';
    client.notify();
    client.notify();
    expect(waits()).toEqual([[2, 45_000]]);
    client.connection = 'online';
    client.notify();
    client.call('b2').becomes({ ...INCOMING, callId: 'b2.1' });
    expect(waits()).toEqual([[3, 10_000]]);
    client.connection = 'connecting';
    client.notify();
    expect(waits()).toEqual([[4, 45_000]]);
  });

  it('takes a pushed call away at once that is over here already', () => {
    const call = client.call('b1');
    call.becomes(INCOMING);
    call.becomes({ status: 'ended', reason: 'canceled' });
    handlePush(client, PUSH, bridge);
    const once = ['incoming b1.1 Asha Rao', 'ended b1.1 canceled'];
    expect(reported).toEqual([...once, ...once]);
    expect(timers.size).toBe(0);
  });

  it.each(['here', 'announced'])('declines an answered call without a microphone (%s)', (at) => {
    const call = client.call('b1');
    if (at === 'here') call.becomes(INCOMING);
    else handlePush(client, PUSH, bridge);
    press({ type: 'answer', callId: 'b1.1' });
    if (at === 'announced') call.becomes(INCOMING);
    call.becomes({ error: { code: 'permission_denied', message: '' } });
    call.notify();
    expect(call.asked).toEqual(['accept', 'reject rejected']);
    call.becomes({ status: 'ended', reason: 'rejected' });
    expect(reported).toEqual(['incoming b1.1 Asha Rao', 'ended b1.1 rejected']);
  });

  it('leaves a call ringing that was answered in the app without a microphone', () => {
    const call = client.call('b1');
    call.becomes({ ...INCOMING, error: { code: 'permission_denied', message: '' } });
    call.notify();
    expect(call.asked).toEqual([]);
  });

  it('needs no bridge for a push to bring the call', () => {
    expect(handlePush(client, PUSH)).toBe(true);
    expect(client.connects).toBe(1);
  });

  it('lets go when it is stopped', () => {
    client.call('b1').becomes(INCOMING);
    handlePush(client, { ...PUSH, callId: 'b1.2' }, bridge);
    bridge.stop();
    expect(subscribed).toBe(false);
    expect(client.subscriptions()).toBe(0);
    expect(timers.size).toBe(0);
  });
});
