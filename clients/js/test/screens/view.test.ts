import { describe, expect, it } from 'vitest';

import { fill, nativeLabels, webLabels, withOverrides } from '../../src/screen/labels.js';
import { callView, clockTime } from '../../src/screen/view.js';
import type { CallSnapshot, EndReason, ErrorCode } from '../../src/types.js';
import { CONNECTED, FakeCall, INCOMING, OUTGOING } from './fake.js';

const IDLE = new FakeCall('b1', () => undefined).snapshot;

function view(patch: Partial<CallSnapshot>) {
  return callView({ ...IDLE, ...patch }, webLabels);
}

describe('what a screen shows', () => {
  it('nothing while the call is idle', () => {
    expect(view({})).toBeUndefined();
  });

  it.each<[Partial<CallSnapshot>, string, string, string[]]>([
    [{ status: 'calling', direction: 'outgoing' }, 'outgoing', 'Calling…', ['cancel']],
    [OUTGOING, 'outgoing', 'Ringing…', ['cancel']],
    [INCOMING, 'incoming', 'Incoming call', ['reject', 'accept']],
    [{ ...INCOMING, video: true }, 'incoming', 'Incoming video call', ['reject', 'accept']],
    [{ ...INCOMING, status: 'connecting' }, 'connecting', 'Connecting…', ['mute', 'end']],
    [CONNECTED, 'active', 'Connected', ['mute', 'end']],
    [{ ...CONNECTED, reconnecting: true }, 'active', 'Reconnecting…', ['mute', 'end']],
    [{ ...CONNECTED, audioBlocked: true }, 'active', 'Connected', ['resumeAudio', 'mute', 'end']],
  ])('%o', (patch, phase, status, actions) => {
    expect(view(patch)).toMatchObject({ phase, status, actions });
  });

  const talked = { acceptedAt: CONNECTED.acceptedAt, duration: 5 };
  it.each<[EndReason, Partial<CallSnapshot>, string, string[]]>([
    ['hangup', { ...OUTGOING, ...talked }, 'Call ended', ['close']],
    ['hangup', { ...INCOMING, ...talked }, 'Call ended', ['close']],
    ['rejected', OUTGOING, 'Ravi declined the call', ['close']],
    ['rejected', INCOMING, 'You declined the call', ['close']],
    ['busy', OUTGOING, 'Ravi is in another call', ['close', 'again']],
    ['busy', INCOMING, 'Missed call: you were in another one', ['close']],
    ['timeout', OUTGOING, 'Ravi did not answer', ['close', 'again']],
    ['timeout', INCOMING, 'Missed call', ['close']],
    [
      'timeout',
      { ...OUTGOING, ...talked },
      'The call reached its longest time',
      ['close', 'again'],
    ],
    ['canceled', OUTGOING, 'Call canceled', ['close']],
    ['canceled', INCOMING, 'Missed call', ['close']],
    ['answered_elsewhere', INCOMING, 'The call is on another of your devices', ['close']],
    ['answered_elsewhere', OUTGOING, 'The call is on another of your devices', ['close']],
    ['unavailable', OUTGOING, 'Ravi cannot be reached right now', ['close', 'again']],
    ['unavailable', INCOMING, 'Missed call', ['close']],
    ['failed', { ...OUTGOING, ...talked }, 'The connection was lost', ['close', 'again']],
    ['failed', { ...INCOMING, ...talked }, 'The connection was lost', ['close']],
  ])('the end: %s %o', (reason, patch, status, actions) => {
    expect(view({ ...patch, status: 'ended', reason })).toMatchObject({
      phase: 'ended',
      status,
      actions,
      announcement: status,
    });
  });

  const again: Record<ErrorCode, boolean> = {
    permission_denied: true,
    device_not_found: true,
    device_in_use: true,
    unsupported: false,
    media_failed: true,
    offline: true,
    bad_request: true,
    unauthorized: false,
    forbidden: false,
    not_found: false,
    conflict: true,
    rate_limited: true,
    too_large: true,
    unavailable: true,
    unknown: true,
  };
  it.each(Object.entries(again) as [ErrorCode, boolean][])(
    'a call that could not begin: %s',
    (code, offered) => {
      const error = { code, message: 'for developers' };
      const shown = view({ status: 'ended', reason: 'failed', direction: 'outgoing', error });
      expect(shown?.status).toBe('The call could not begin');
      expect(shown?.hint).toBe(webLabels.errors[code]);
      expect(shown?.announcement).toBe(`The call could not begin. ${webLabels.errors[code]}`);
      expect(shown?.actions.includes('again')).toBe(offered);
      expect(nativeLabels.errors[code]).not.toMatch(/browser|page|program/i);
    },
  );

  it('says what to do where the microphone is refused as the call rings, which it goes on doing', () => {
    const error = { code: 'permission_denied', message: '' } as const;
    expect(view({ ...INCOMING, error })).toMatchObject({
      phase: 'incoming',
      hint: webLabels.errors.permission_denied,
      actions: ['reject', 'accept'],
    });
  });

  it('who it is with, and stands in for a name that is not known', () => {
    expect(view(INCOMING)).toMatchObject({
      name: 'Asha Rao',
      initials: 'AR',
      service: 'Bicycle repair',
    });
    const visitor = { ...INCOMING, peerName: 'Visitor at Red van', serviceName: 'Red van' };
    expect(view(visitor)).toMatchObject({ name: 'Visitor at Red van', service: undefined });
    expect(view({ ...INCOMING, peerName: 'Visitor at Blue hatchback' })?.initials).toBe('VH');
    expect(view({ ...INCOMING, peerName: 'élodie (Lyon)' })?.initials).toBe('É');
    expect(view({ status: 'ended', reason: 'busy', direction: 'outgoing' })).toMatchObject({
      name: 'The other party',
      initials: '',
      status: 'The other party is in another call',
    });
  });

  it('the quality in bars, and what to do where it is bad', () => {
    const quality = (score: number, ...warnings: 'no_audio'[]) =>
      view({ ...CONNECTED, quality: { score, warnings } });
    expect(quality(4.3)?.quality).toEqual({ bars: 3, text: 'Good connection' });
    const lost = { ...CONNECTED, reconnecting: true, quality: { score: 4.3, warnings: [] } };
    expect(view(lost)?.quality).toBeUndefined();
    expect(quality(3.5)).toMatchObject({ quality: { bars: 2 }, hint: undefined });
    expect(quality(2)).toMatchObject({ quality: { bars: 1 }, hint: webLabels.poorConnection });
    expect(quality(4.3, 'no_audio')?.hint).toBe(webLabels.noAudio);
  });

  it('a timer that its announcement leaves out', () => {
    const at = (duration: number) => view({ ...CONNECTED, duration });
    expect(at(65)?.timer).toBe('1:05');
    expect(at(66)?.announcement).toBe(at(65)?.announcement);
    expect(view(OUTGOING)?.timer).toBeUndefined();
    expect(clockTime(3671)).toBe('1:01:11');
    expect(clockTime(-1)).toBe('0:00');
  });
});

describe('labels', () => {
  it('are replaced one by one, errors too', () => {
    const own = withOverrides(webLabels, { end: 'Auflegen', errors: { offline: 'Kein Netz' } });
    expect(own.end).toBe('Auflegen');
    expect(own.errors.offline).toBe('Kein Netz');
    expect(own.mute).toBe('Mute');
    expect(own.errors.unknown).toBe(webLabels.errors.unknown);
  });

  it('take a name as it is', () => {
    expect(fill('{name} & {name}', '$&')).toBe('$& & $&');
  });
});
