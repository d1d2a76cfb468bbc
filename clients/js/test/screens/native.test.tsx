// @vitest-environment happy-dom
import { StrictMode } from 'react';

import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { CallScreen, WebRTCCallButton } from '../../src/react-native/index.js';
import type { CallSnapshot } from '../../src/types.js';
import { CONNECTED, type FakeCall, FakeMaskline, INCOMING, OUTGOING } from './fake.js';

let client: FakeMaskline;
let call: FakeCall;

beforeEach(() => {
  client = new FakeMaskline();
  call = client.call('b1');
});
afterEach(cleanup);

function become(patch: Partial<CallSnapshot>) {
  act(() => call.becomes(patch));
}

const buttons = () =>
  screen.queryAllByRole('button').map((element) => element.getAttribute('aria-label'));
const press = (name: string) => fireEvent.click(screen.getByRole('button', { name }));

const WHITE = 'rgba(255, 255, 255, 1.00)';
const SCRIM = 'rgba(0, 0, 0, 0.60)';

/** The background that an element has, or lies on. */
function groundOf(element: Element): string | undefined {
  for (let one: Element | null = element; one; one = one.parentElement) {
    const { backgroundColor } = (one as HTMLElement).style;
    if (backgroundColor) return backgroundColor;
  }
  return undefined;
}

describe('CallScreen', () => {
  it('shows a call from its ringing to its end', () => {
    // Not in StrictMode: the Modal of react-native-web does not survive it.
    render(<CallScreen client={client} />);
    expect(buttons()).toEqual([]);
    become(INCOMING);
    expect(screen.getByText('Asha Rao')).toBeTruthy();
    expect(screen.getByText('Incoming call')).toBeTruthy();
    expect(buttons()).toEqual(['Decline', 'Accept']);
    press('Accept');
    become({ status: 'connecting' });
    expect(buttons()).toEqual(['Mute', 'End call']);
    become({ status: 'connected', acceptedAt: 1, duration: 65 });
    expect(screen.getByText('1:05')).toBeTruthy();
    press('Mute');
    press('End call');
    expect(call.asked).toEqual(['accept', 'muted true', 'end']);
    become({ status: 'ended', reason: 'hangup' });
    expect(screen.getByText('Call ended')).toBeTruthy();
    press('Close');
    expect(buttons()).toEqual([]);
  });

  it('says what to do on a phone, and offers another try', () => {
    render(<CallScreen client={client} labels={{ again: 'Noch einmal' }} />);
    become(OUTGOING);
    press('Cancel');
    become({
      status: 'ended',
      reason: 'failed',
      error: { code: 'permission_denied', message: '' },
      callId: undefined,
    });
    expect(screen.getByText(/Allow it for this app in the phone’s settings/)).toBeTruthy();
    press('Noch einmal');
    expect(call.asked).toEqual(['end', 'initiate']);
  });

  it('draws the quality and, where the app brings what draws it, the video', () => {
    const VideoView = ({ mirrored }: { mirrored: boolean }) => (
      <b>{mirrored ? 'mine' : 'theirs'}</b>
    );
    render(<CallScreen client={client} VideoView={VideoView} />);
    become({
      ...CONNECTED,
      quality: { score: 3.5, warnings: [] },
      video: true,
      localStream: new MediaStream(),
      remoteStream: new MediaStream(),
    });
    expect(screen.getByRole('img', { name: 'Fair connection' })).toBeTruthy();
    expect(screen.getByText('mine')).toBeTruthy();
    expect(screen.getByText('theirs')).toBeTruthy();
  });

  it('has its text white on a scrim, and no initials, over the other’s picture only', () => {
    render(<CallScreen client={client} VideoView={() => <b>picture</b>} />);
    become({ ...CONNECTED, audioBlocked: true, video: true, localStream: new MediaStream() });
    expect(screen.getByText('R')).toBeTruthy();
    const colorOf = (text: string | RegExp) => screen.getByText(text).style.color;
    const texts = ['Ravi', 'Bicycle repair', 'Connected', '1:05', /holding/, 'Mute'];
    expect(texts.map(colorOf)).not.toContain(WHITE);

    become({ remoteStream: new MediaStream() });
    expect(screen.queryByText('R')).toBeNull();
    expect(texts.map(colorOf)).toEqual(texts.map(() => WHITE));
    expect(texts.map((text) => groundOf(screen.getByText(text)))).toEqual(texts.map(() => SCRIM));
    // Its disc is white now.
    press('Mute');
    const mute = screen.getByRole('button', { name: 'Mute' });
    const [disc, ...icon] = [...mute.querySelectorAll('[style*=background-color]')].map(groundOf);
    expect(disc).toBe(WHITE);
    expect(icon).toContain('rgba(0, 0, 0, 1.00)');
  });

  it('leaves no subscription behind', () => {
    const { unmount } = render(<CallScreen client={client} />);
    become(CONNECTED);
    unmount();
    expect(client.subscriptions()).toBe(0);
  });
});

describe('WebRTCCallButton', () => {
  it('calls, and waits while a call runs', () => {
    render(
      <StrictMode>
        <WebRTCCallButton bookingId="b1" client={client} variant="icon" size="large" />
      </StrictMode>,
    );
    press('Call');
    become({ status: 'calling', direction: 'outgoing' });
    press('Calling…');
    expect(call.asked).toEqual(['initiate']);
    expect(screen.getByRole('button').getAttribute('aria-disabled')).toBe('true');
  });
});
