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
