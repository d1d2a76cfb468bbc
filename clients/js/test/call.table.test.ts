/** The whole table of the call's state machine: every state, every event. */

import { expect, test } from 'vitest';
import { type Effect, type Event, type State, idle, reduce } from '../src/call.js';
import type { CallEvents } from '../src/frames.js';
import { BOOKING, came, candidate, description, frame } from './frames.js';

const stream = (name: string) => ({ name }) as unknown as MediaStream;
const denied = { code: 'permission_denied', message: 'no' } as const;
const offline = { code: 'offline', message: 'no connection' } as const;
const linked: Event = { type: 'link', state: 'connected' };
const prepared: Event = { type: 'prepared', stream: stream('microphone'), video: false };

function after(state: State, ...events: Event[]): State {
  return events.reduce((before, event) => reduce(before, event, 1_000)[0], state);
}

const fresh = idle(BOOKING);
const asking = after(fresh, { type: 'initiate', video: false });
const calling = after(asking, prepared);
const ringing = after(
  calling,
  { type: 'described', description: description('offer', 'ours') },
  came(frame('call:ringing', 'b.1', 1), 'callInitiate'),
);
const rung = after(fresh, came(frame('call:incoming', 'b.1', 1)));
const accepting = after(rung, { type: 'accept', video: false });
const callee = after(accepting, prepared);
const answering = after(
  callee,
  came(frame('call:accepted', 'b.1', 2), 'callAccept'),
  came(frame('call:offer', 'b.1', 2)),
  { type: 'described', description: description('answer', 'ours') },
);
const caller = after(ringing, came(frame('call:accepted', 'b.1', 2)));
const talking = after(caller, came(frame('call:answer', 'b.1', 2)), linked);
const listening = after(answering, linked);
const lost = (state: State) =>
  after(state, { type: 'link', state: 'disconnected' }, { type: 'timer', name: 'restart' });

const STATES: Record<string, State> = {
  'idle': fresh,
  'calling, the microphone asked for': asking,
  'calling': calling,
  'ringing there': ringing,
  'connecting, as caller': caller,
  'connected, as caller': talking,
  'reconnecting, as caller': lost(talking),
  'ringing here': rung,
  'ringing here, the microphone asked for': accepting,
  'connecting, as callee': callee,
  'connecting, as callee, answered': answering,
  'connected, as callee': listening,
  'reconnecting, as callee': lost(listening),
  'ended': after(talking, { type: 'end' }),
  'given up': after(calling, { type: 'end' }),
};

function frames(callId: string, version: number): Record<string, Event> {
  const events: (keyof CallEvents)[] = [
    'call:incoming',
    'call:ringing',
    'call:accepted',
    'call:rejected',
    'call:ended',
    'call:offer',
    'call:answer',
    'call:ice-candidate',
  ];
  const named = events.map((event) => {
    return [`${event} ${callId} v${version}`, came(frame(event, callId, version))] as const;
  });
  return Object.fromEntries(named);
}

const EVENTS: Record<string, Event> = {
  'initiate': { type: 'initiate', video: false },
  'accept': { type: 'accept', video: false },
  'reject': { type: 'reject', reason: 'busy' },
  'end': { type: 'end' },
  'leave': { type: 'leave' },
  'mute': { type: 'mute', muted: true },
  'prepared': { type: 'prepared', stream: stream('another'), video: false },
  'unprepared': { type: 'unprepared', error: denied },
  'device': { type: 'device', error: denied },
  ...frames('b.1', 3),
  ...frames('b.1', 0),
  ...frames('b.2', 1),
  'call:ended b.2, to callInitiate': came(
    frame('call:ended', 'b.2', 1, { reason: 'busy' }),
    'callInitiate',
  ),
  'call:incoming b.2, to callInitiate': came(frame('call:incoming', 'b.2', 1), 'callInitiate'),
  'call:ended b.1, elsewhere': came(
    frame('call:ended', 'b.1', 3, { reason: 'answered_elsewhere' }),
  ),
  'an older offer': came(
    frame('call:offer', 'b.1', 3, { offer: description('offer', 'before theirs') }),
  ),
  'callInitiate refused': { type: 'refused', action: 'callInitiate', error: denied },
  'callInitiate not answered': { type: 'refused', action: 'callInitiate', error: offline },
  'callAccept refused': { type: 'refused', action: 'callAccept', error: denied },
  'callOffer refused': {
    type: 'refused',
    action: 'callOffer',
    error: { code: 'too_large', message: 'too large' },
  },
  'callEnd refused': { type: 'refused', action: 'callEnd', error: offline },
  'joining': { type: 'joining' },
  'an offer described': { type: 'described', description: description('offer', 'new') },
  'an answer described': { type: 'described', description: description('answer', 'new') },
  'a candidate gathered': { type: 'gathered', candidate: candidate('ours', 7) },
  'all gathered': { type: 'gathered' },
  'link connected': linked,
  'link disconnected': { type: 'link', state: 'disconnected' },
  'link failed': { type: 'link', state: 'failed' },
  'link connecting': { type: 'link', state: 'connecting' },
  'a track': { type: 'track', stream: stream('theirs') },
  'broken': { type: 'broken', message: 'it threw' },
  'sound blocked': { type: 'sound', blocked: true },
  'measured': { type: 'measured', quality: { score: 4, warnings: [] } },
  'timer ring': { type: 'timer', name: 'ring' },
  'timer media': { type: 'timer', name: 'media' },
  'timer restart': { type: 'timer', name: 'restart' },
  'timer offer': { type: 'timer', name: 'offer' },
  'timer flush': { type: 'timer', name: 'flush' },
  'timer tick': { type: 'timer', name: 'tick' },
  'timer quality': { type: 'timer', name: 'quality' },
};

const NOW = 5_000;

function effectText(effect: Effect): string {
  switch (effect.type) {
    case 'send': {
      const { callId, reason } = effect.data as { callId?: string; reason?: string };
      return ['send', effect.action, callId, reason].filter(Boolean).join(' ');
    }
    case 'timer':
      return effect.after === undefined ? `no ${effect.name}` : `${effect.name} in ${effect.after}`;
    case 'offer':
      return effect.restart ? 'offer, restarting' : 'offer';
    default:
      return effect.type;
  }
}

function statusText({ snapshot }: State): string {
  const { status, direction, callId, reason, error, reconnecting, muted } = snapshot;
  const flags = [reconnecting && 'reconnecting', muted && 'muted'];
  return [status, direction, callId, reason, error?.code, ...flags].filter(Boolean).join(' ');
}

function cell(before: State, event: Event): string {
  const [next, effects] = reduce(before, event, NOW);
  const status = statusText(next) === statusText(before) ? '' : statusText(next);
  return [status, effects.map(effectText).join(', ')].filter(Boolean).join(': ') || '-';
}

test('every event in every state', async () => {
  const lines = Object.entries(STATES).flatMap(([name, state]) => [
    `${name} (${statusText(state)})`,
    ...Object.entries(EVENTS).map(([event, given]) => `  ${event} → ${cell(state, given)}`),
    '',
  ]);
  await expect(lines.join('\n')).toMatchFileSnapshot('call.table.txt');
});

test('nothing is changed in place', () => {
  const frozen = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  };
  for (const state of Object.values(STATES)) {
    frozen(state);
    for (const event of Object.values(EVENTS)) expect(() => reduce(state, event, NOW)).not.toThrow();
  }
});

/** The cells that matter most, by hand. */
function goes(state: State, event: Event, now = NOW) {
  const [{ snapshot }, effects] = reduce(state, event, now);
  return { ...snapshot, effects: effects.map(effectText) };
}

test('nobody is rung before there is a microphone', () => {
  expect(goes(fresh, EVENTS.initiate!)).toMatchObject({ status: 'calling', effects: ['prepare'] });
  expect(goes(asking, prepared).effects).toEqual(['send callInitiate', 'offer']);
  expect(goes(asking, EVENTS.unprepared!)).toMatchObject({
    status: 'ended',
    reason: 'failed',
    error: denied,
    effects: ['forget', 'close'],
  });
});

test('without a microphone, a call that rings rings on', () => {
  expect(goes(accepting, EVENTS.unprepared!)).toMatchObject({
    status: 'ringing',
    error: denied,
    effects: [],
  });
});

test('of a permission that comes too late, nothing is kept', () => {
  const gone = after(asking, { type: 'end' });
  expect(goes(gone, prepared)).toMatchObject({ status: 'ended', effects: ['release'] });
});

test('the offer, made while it rang, goes out with the accept', () => {
  expect(goes(ringing, came(frame('call:accepted', 'b.1', 2)))).toMatchObject({
    status: 'connecting',
    acceptedAt: NOW,
    effects: ['no ring', 'media in 20000', 'tick in 1000', 'send callOffer b.1', 'offer in 4000'],
  });
});

test('an older version is ignored', () => {
  const later = after(talking, came(frame('call:accepted', 'b.1', 5)));
  expect(reduce(later, came(frame('call:ended', 'b.1', 4)), NOW)).toEqual([later, []]);
});

test('what is over stays over, but the server knows for how long they talked', () => {
  const over = STATES.ended!;
  expect(over.snapshot).toMatchObject({ status: 'ended', reason: 'hangup', duration: 0 });
  for (const event of Object.values(frames('b.1', 9))) {
    expect(goes(over, event)).toMatchObject({ status: 'ended', reason: 'hangup', effects: [] });
  }
  const told = came(frame('call:ended', 'b.1', 3, { duration: 7, reason: 'timeout' }), 'callEnd');
  expect(goes(over, told)).toMatchObject({ reason: 'hangup', duration: 7 });
});

test('both called at once: who is told takes the call', () => {
  expect(goes(calling, came(frame('call:incoming', 'b.1', 1), 'callInitiate'))).toMatchObject({
    status: 'connecting',
    direction: 'incoming',
    peerName: 'Asha',
    localStream: { name: 'microphone' },
    effects: ['ring in 60000', 'closePeer', 'no ring', 'media in 20000', 'send callAccept b.1'],
  });
});

test('both called at once, before there is a microphone', () => {
  const told = after(asking, came(frame('call:incoming', 'b.1', 1)));
  expect(told.snapshot).toMatchObject({ status: 'ringing', direction: 'incoming' });
  expect(goes(told, prepared)).toMatchObject({
    status: 'connecting',
    effects: ['no ring', 'media in 20000', 'send callAccept b.1'],
  });
});

test('who gives up before the call has a name ends it once it has', () => {
  const named = came(frame('call:ringing', 'b.1', 1), 'callInitiate');
  expect(goes(STATES['given up']!, named)).toMatchObject({
    status: 'ended',
    reason: 'canceled',
    effects: ['send callEnd b.1'],
  });
  // But not the call of another device, which comes here much later.
  expect(goes(STATES['given up']!, named, 100_000).effects).toEqual([]);
});

test('candidates wait for their description', () => {
  const early = after(callee, came(frame('call:ice-candidate', 'b.1', 2)));
  expect(goes(callee, came(frame('call:ice-candidate', 'b.1', 2))).effects).toEqual([]);
  expect(goes(early, came(frame('call:offer', 'b.1', 2))).effects).toEqual([
    'answer',
    'addCandidates',
  ]);
  const restarted = frame('call:ice-candidate', 'b.1', 2, { candidate: [candidate('next', 2)] });
  expect(goes(listening, came(restarted)).effects).toEqual([]);
  const offer = frame('call:offer', 'b.1', 2, { offer: description('offer', 'next') });
  expect(goes(after(listening, came(restarted)), came(offer)).effects).toEqual([
    'answer',
    'addCandidates',
  ]);
});

test('candidates that do not say whose they are wait for a description, too', () => {
  const plain = [{ candidate: 'candidate:1 1 udp 1 192.0.2.1 1 typ host' }];
  const early = came(frame('call:ice-candidate', 'b.1', 2, { candidate: plain }));
  expect(goes(callee, early).effects).toEqual([]);
  const [, effects] = reduce(after(callee, early), came(frame('call:offer', 'b.1', 2)), NOW);
  expect(effects).toContainEqual({ type: 'addCandidates', candidates: plain });
});

test('candidates travel together, and with the offer where they come before it', () => {
  const first = { type: 'gathered', candidate: candidate('ours', 1) } as const;
  const whole = description('offer', 'ours', 'a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n');
  const inside = after(ringing, { ...first, description: whole });
  const [sent, effects] = reduce(inside, came(frame('call:accepted', 'b.1', 2)), NOW);
  expect(effects).toContainEqual(
    expect.objectContaining({ action: 'callOffer', data: expect.objectContaining({ offer: whole }) }),
  );
  expect(sent.gathered).toEqual([]);

  const second = { type: 'gathered', candidate: candidate('ours', 2) } as const;
  expect(goes(caller, first).effects).toEqual(['flush in 50']);
  expect(goes(after(caller, first), second).effects).toEqual([]);
  const [, flushed] = reduce(after(caller, first, second), { type: 'timer', name: 'flush' }, NOW);
  expect(flushed).toContainEqual(
    expect.objectContaining({
      data: expect.objectContaining({ candidate: [first.candidate, second.candidate] }),
    }),
  );
});

test('descriptions from before a restart are ignored, the latest is answered again', () => {
  const offer = (fragment: string) =>
    came(frame('call:offer', 'b.1', 2, { offer: description('offer', fragment) }));
  const restarted = after(listening, offer('next'));
  expect(goes(restarted, offer('theirs')).effects).toEqual([]);
  expect(goes(restarted, offer('next')).effects).toEqual(['answer']);

  const answer = (fragment: string) =>
    came(frame('call:answer', 'b.1', 2, { answer: description('answer', fragment) }));
  const restart = { type: 'described', description: description('offer', 'ours, again') } as const;
  const waiting = after(lost(talking), restart);
  expect(goes(waiting, answer('theirs')).effects).toEqual([]);
  expect(goes(waiting, answer('next')).effects).toEqual(['no offer', 'setAnswer']);
  expect(goes(after(waiting, answer('next')), answer('next')).effects).toEqual([]);
  const twice = after(waiting, answer('next'), restart);
  expect(goes(twice, answer('theirs')).effects).toEqual([]);
});

test('an interruption is waited out, then the caller restarts', () => {
  const cut: Event = { type: 'link', state: 'disconnected' };
  expect(goes(talking, cut)).toMatchObject({
    reconnecting: true,
    effects: ['media in 20000', 'probe', 'restart in 3000'],
  });
  const again = after(talking, cut);
  expect(goes(again, { type: 'timer', name: 'restart' })).toMatchObject({
    reconnecting: true,
    effects: ['offer, restarting'],
  });
  expect(goes(after(listening, cut), { type: 'timer', name: 'restart' })).toMatchObject({
    reconnecting: true,
    effects: [],
  });
  expect(goes(again, linked)).toMatchObject({
    reconnecting: false,
    effects: ['no media', 'no restart'],
  });
});

test('audio that stays away ends the call, on both sides with the same reason', () => {
  expect(goes(lost(talking), { type: 'timer', name: 'media' })).toMatchObject({
    status: 'ended',
    reason: 'failed',
    error: { code: 'media_failed' },
    effects: ['forget', 'close', 'send callEnd b.1'],
  });
  const hungUp = came(frame('call:ended', 'b.1', 3));
  expect(goes(lost(listening), hungUp, 1_000 + 15_000)).toMatchObject({
    reason: 'failed',
    error: { code: 'media_failed' },
  });
  expect(goes(lost(listening), hungUp, 1_000 + 2_000)).toMatchObject({
    reason: 'hangup',
    error: undefined,
  });
});

test('the other device of the user took the call', () => {
  expect(goes(callee, EVENTS['call:ended b.1, elsewhere']!)).toMatchObject({
    status: 'ended',
    reason: 'answered_elsewhere',
    effects: ['forget', 'close'],
  });
});

test('a page that is left hangs up, but does not reject for the other devices', () => {
  expect(goes(talking, { type: 'leave' }).effects).toContain('send callEnd b.1');
  expect(goes(rung, { type: 'leave' })).toMatchObject({ status: 'idle', effects: ['close'] });
});
