// A call that a push has announced, on the system's screen: with the client itself, and a server
// that says no more than the real one does.

import { afterEach, describe, expect, it } from 'vitest';

import { createMaskline } from '../../src/index.js';
import {
  type CallUiBridge,
  type CallUiEvent,
  bridgeCallUi,
} from '../../src/react-native/callUi.js';
import { handlePush } from '../../src/react-native/push.js';
import type { Maskline } from '../../src/types.js';
import { type FakeClock, fakeClock } from '../clock.js';
import { FakeSocket } from '../sockets.js';

/** The server's clock when it rings, and until when it does. */
const START = Date.UTC(2026, 10, 21, 12);
const CALL = { bookingId: 'b', callId: 'b.1', callerName: 'Asha' };
const EXPIRES = { expiresAt: new Date(START + 45_000).toISOString() };
const RINGS = { ...CALL, ...EXPIRES, version: 1, serviceName: 'Piano', media: { audio: true } };

let clock: FakeClock;
let client: Maskline;
let bridge: CallUiBridge;
let press: (event: CallUiEvent) => void;
let said: string[];

/** A phone whose clock is that far ahead, in milliseconds. */
function phone(skew = 0): void {
  clock = fakeClock(START + skew);
  said = [];
  FakeSocket.all = [];
  const refuse = async () => {
    throw new DOMException('', 'NotAllowedError');
  };
  client = createMaskline({
    socketUrl: 'wss://x',
    apiUrl: 'https://x',
    userId: 'ravi',
    getToken: () => 't',
    platform: {
      WebSocket: FakeSocket as never,
      RTCPeerConnection: class {} as never,
      mediaDevices: { getUserMedia: refuse },
      fetch: () => new Promise(() => undefined),
      clock,
      random: () => 0.5,
    },
  });
  const say = (words: string) => said.push(`${(clock.now() - skew - START) / 1000} s: ${words}`);
  const ui = {
    reportIncoming: () => say('rings'),
    reportOutgoing: () => say('calls'),
    reportConnected: () => say('connected'),
    reportEnded: (_: string, reason: string) => say(`ended ${reason}`),
    subscribe: (listener: typeof press) => {
      press = listener;
      return () => undefined;
    },
  };
  bridge = bridgeCallUi(client, ui, clock);
}

/** Such a phone gets the push while it is not connected. */
function pushed(skew = 0): void {
  phone(skew);
  push();
}

function push(): void {
  handlePush(client, { type: 'call.incoming', userId: 'ravi', ...CALL, ...EXPIRES }, bridge);
}

/** The client is online half a second after the push. */
async function join(): Promise<FakeSocket> {
  await clock.pass(500);
  const socket = FakeSocket.all.at(-1)!;
  socket.welcome();
  return socket;
}

const MUCH_LATER = 20 * 60_000;

describe('a call that a push has announced', () => {
  afterEach(() => {
    bridge.stop();
    client.close();
  });

  it('falls silent soon after the join where the caller has given up by then', async () => {
    pushed();
    await join();
    await clock.pass(MUCH_LATER);
    expect(said).toEqual(['0 s: rings', '10.5 s: ended timeout']);
  });

  it('falls silent soon after the join where another device has answered by then', async () => {
    pushed();
    const socket = await join();
    const end = { ...CALL, version: 3, reason: 'answered_elsewhere', duration: 0 };
    socket.answer('join', 'call:ended', end);
    await clock.pass(MUCH_LATER);
    expect(said).toEqual(['0 s: rings', '10.5 s: ended timeout']);
  });

  it('rings out where the client does not come online', async () => {
    pushed();
    await clock.pass(MUCH_LATER);
    expect(said).toEqual(['0 s: rings', '45 s: ended timeout']);
  });

  it.each([60_000, -600_000])('rings once where the phone’s clock is %d ms ahead', async (skew) => {
    pushed(skew);
    const socket = await join();
    socket.tell('call:incoming', RINGS);
    await clock.pass(20_000);
    expect(said).toEqual(['0 s: rings']);
    socket.tell('call:ended', { ...CALL, version: 2, reason: 'canceled', duration: 0 });
    await clock.pass(MUCH_LATER);
    expect(said).toEqual(['0 s: rings', '20.5 s: ended canceled']);
  });

  it('rings for nobody any more where the phone’s clock is behind, too', async () => {
    pushed(-600_000);
    await join();
    await clock.pass(MUCH_LATER);
    expect(said).toEqual(['0 s: rings', '10.5 s: ended timeout']);
  });

  it('rings once where the push finds a socket that has died unnoticed', async () => {
    phone();
    client.connect();
    await join();
    push();
    await clock.pass(5_000);
    const sockets = FakeSocket.all.length;
    await clock.pass(9_000);
    FakeSocket.all.at(-1)!.welcome();
    FakeSocket.all.at(-1)!.tell('call:incoming', RINGS);
    await clock.pass(20_000);
    expect([sockets, said]).toEqual([2, ['0.5 s: rings']]);
  });

  it('falls silent where the push comes to a client that is online, and nothing else', async () => {
    phone();
    client.connect();
    const socket = await join();
    push();
    socket.answer('ping', 'pong');
    await clock.pass(MUCH_LATER);
    expect(said).toEqual(['0.5 s: rings', '25.5 s: ended timeout']);
  });

  it('is declined where it is answered and the microphone is refused', async () => {
    pushed();
    press({ type: 'answer', callId: 'b.1' });
    const socket = await join();
    socket.tell('call:incoming', RINGS);
    await clock.pass(1);
    expect(said).toEqual(['0 s: rings', '0.5 s: ended rejected']);
    expect(socket.frames.at(-1)).toMatchObject({ action: 'callReject', data: { callId: 'b.1' } });
  });
});
