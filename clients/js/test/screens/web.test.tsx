// @vitest-environment happy-dom
import { StrictMode } from 'react';

import { act, cleanup, render, screen, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { CallScreen, type CallScreenProps, WebRTCCallButton } from '../../src/react/index.js';
import type { CallSnapshot } from '../../src/types.js';
import { CONNECTED, type FakeCall, FakeMaskline, INCOMING, OUTGOING } from './fake.js';

let client: FakeMaskline;
let call: FakeCall;

beforeEach(() => {
  client = new FakeMaskline();
  call = client.call('b1');
});
afterEach(cleanup);

function show(props: CallScreenProps = {}) {
  return render(
    <StrictMode>
      <button type="button">Elsewhere</button>
      <WebRTCCallButton bookingId="b1" client={client} />
      <CallScreen client={client} {...props} />
    </StrictMode>,
  );
}

function become(patch: Partial<CallSnapshot>) {
  act(() => call.becomes(patch));
}

const dialog = () => screen.getByRole<HTMLDialogElement>('dialog');
const button = (name: string) => within(dialog()).getByRole('button', { name });
const buttons = () =>
  within(dialog())
    .getAllByRole('button')
    .map((element) => element.textContent);
const announced = () => within(dialog()).getByRole('status').textContent;

/** As a browser does without asking, which also gives the focus to where it was before. */
function closedByBrowser(before: HTMLElement) {
  act(() => {
    const element = dialog();
    before.focus();
    element.close();
  });
}

describe('CallScreen', () => {
  it('shows a call from its ringing to its end', async () => {
    const user = userEvent.setup();
    show();
    expect(screen.queryByRole('dialog')).toBeNull();

    become(INCOMING);
    expect(screen.getByRole('dialog', { name: 'Asha Rao', description: 'Incoming call' })).toBe(
      dialog(),
    );
    expect(buttons()).toEqual(['Decline', 'Accept']);
    expect(announced()).toBe('Incoming call');
    await user.click(button('Accept'));
    expect(call.asked).toEqual(['accept']);

    become({ status: 'connecting' });
    expect(buttons()).toEqual(['Mute', 'End call']);
    become({ status: 'connected', acceptedAt: 1, duration: 5 });
    expect(screen.getByRole('timer').textContent).toBe('0:05');
    await user.click(button('End call'));
    expect(call.asked).toEqual(['accept', 'end']);

    become({ status: 'ended', reason: 'hangup', duration: 7 });
    expect(announced()).toBe('Call ended');
    expect(screen.getByRole('timer').textContent).toBe('0:07');
    await user.click(button('Close'));
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('declines, cancels, mutes, turns the sound on and calls again', async () => {
    const user = userEvent.setup();
    show();
    become(INCOMING);
    await user.click(button('Decline'));
    become(OUTGOING);
    await user.click(button('Cancel'));
    become({ ...CONNECTED, audioBlocked: true });
    await user.click(button('Turn sound on'));
    expect(button('Mute').getAttribute('aria-pressed')).toBe('false');
    await user.click(button('Mute'));
    expect(button('Mute').getAttribute('aria-pressed')).toBe('true');
    become({ status: 'ended', reason: 'failed', video: true });
    await user.click(button('Call again'));
    const asked = ['reject rejected', 'end', 'resumeAudio', 'muted true', 'initiate video'];
    expect(call.asked).toEqual(asked);
  });

  it('announces what changes, and not each second', () => {
    show();
    become(CONNECTED);
    const status = within(dialog()).getByRole('status');
    const changes = vi.fn();
    const observer = new MutationObserver(changes);
    observer.observe(status, { childList: true, characterData: true, subtree: true });
    become({ duration: 66 });
    become({ duration: 67, quality: { score: 4.4, warnings: [] } });
    expect(observer.takeRecords()).toEqual([]);
    expect(changes).not.toHaveBeenCalled();
    expect(screen.getByRole('timer').textContent).toBe('1:07');
    expect(status.contains(screen.getByRole('timer'))).toBe(false);
    become({ reconnecting: true });
    expect(status.textContent).toBe('Reconnecting…');
    observer.disconnect();
  });

  it('takes the focus to itself and to no button, keeps it, and gives it back', async () => {
    const user = userEvent.setup();
    show();
    const before = screen.getByRole('button', { name: 'Call' });
    before.focus();
    become(INCOMING);
    expect(document.activeElement).toBe(dialog());
    await user.keyboard('{Enter} ');
    expect(call.asked).toEqual([]);
    await user.tab();
    expect(document.activeElement).toBe(button('Decline'));
    await user.tab();
    await user.keyboard('{Enter}');
    expect(call.asked).toEqual(['accept']);
    // The button that has been pressed is gone.
    become({ status: 'connecting' });
    expect(document.activeElement).toBe(dialog());
    button('Mute').focus();
    become(CONNECTED);
    expect(document.activeElement).toBe(button('Mute'));
    become({ status: 'ended', reason: 'hangup' });
    await user.click(button('Close'));
    expect(document.activeElement).toBe(before);
  });

  it('gives the focus back when it is unmounted in the middle of a call', () => {
    const elsewhere = document.createElement('button');
    document.body.append(elsewhere);
    elsewhere.focus();
    const { unmount } = show();
    become(CONNECTED);
    expect(document.activeElement).toBe(dialog());
    unmount();
    expect(document.activeElement).toBe(elsewhere);
    elsewhere.remove();
  });

  it('lets Escape close the screen of an ended call, and nothing else', async () => {
    const user = userEvent.setup();
    const onClose = vi.fn();
    show({ onClose });
    for (const live of [INCOMING, OUTGOING, CONNECTED]) {
      become(live);
      await user.keyboard('{Escape}');
      expect(dialog()).toBeTruthy();
      const cancel = new Event('cancel', { cancelable: true });
      dialog().dispatchEvent(cancel);
      expect(cancel.defaultPrevented).toBe(true);
    }
    expect(call.asked).toEqual([]);
    expect(onClose).not.toHaveBeenCalled();
    become({ status: 'ended', reason: 'hangup' });
    await user.keyboard('{Escape}');
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(onClose).toHaveBeenCalledOnce();
  });

  it('opens again in mid-call where the browser closes it, and closes with the ended call', () => {
    const onClose = vi.fn();
    show({ onClose });
    const before = screen.getByRole('button', { name: 'Call' });
    before.focus();
    for (const live of [INCOMING, OUTGOING, CONNECTED]) {
      become(live);
      const opened = vi.spyOn(dialog(), 'showModal');
      closedByBrowser(before);
      expect(opened).toHaveBeenCalledOnce();
      opened.mockRestore();
      expect(document.activeElement).toBe(dialog());
    }
    expect(call.asked).toEqual([]);
    expect(onClose).not.toHaveBeenCalled();
    become({ status: 'ended', reason: 'hangup' });
    expect(onClose).not.toHaveBeenCalled();
    closedByBrowser(before);
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(onClose).toHaveBeenCalledOnce();
    expect(document.activeElement).toBe(before);
  });

  it('lets the back gesture close the screen of an ended call', () => {
    const onClose = vi.fn();
    show({ onClose });
    become(CONNECTED);
    become({ status: 'ended', reason: 'hangup' });
    act(() => void dialog().dispatchEvent(new Event('cancel', { cancelable: true })));
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(onClose).toHaveBeenCalledOnce();
  });

  it('stays closed for the ended call, whose last word may come late, and opens for the next', async () => {
    const user = userEvent.setup();
    show();
    become(CONNECTED);
    become({ status: 'ended', reason: 'hangup' });
    await user.click(button('Close'));
    become({ duration: 68 });
    expect(screen.queryByRole('dialog')).toBeNull();
    become({ ...INCOMING, callId: 'b1.2' });
    expect(announced()).toBe('Incoming call');
  });

  it('shows a call that has ended before it could be drawn', () => {
    show();
    act(() => {
      call.becomes({ status: 'calling', direction: 'outgoing' });
      const error = { code: 'unsupported', message: '' } as const;
      call.becomes({ status: 'ended', reason: 'failed', error });
    });
    expect(announced()).toMatch(/^The call could not begin\. This browser cannot hold calls/);
  });

  it('shows a new call in place of an ended one that nobody has closed', () => {
    show();
    become(CONNECTED);
    become({ status: 'ended', reason: 'hangup' });
    act(() => client.call('b2').becomes({ ...INCOMING, peerName: 'Tom' }));
    expect(screen.getByRole('dialog', { name: 'Tom' })).toBeTruthy();
    act(() => client.call('b2').becomes({ status: 'ended', reason: 'canceled' }));
    expect(announced()).toBe('Missed call');
  });

  it('shows only the call of the booking that it is for, if it is for one', () => {
    show({ bookingId: 'b1' });
    act(() => client.call('b2').becomes(INCOMING));
    expect(screen.queryByRole('dialog')).toBeNull();
    become(INCOMING);
    expect(announced()).toBe('Incoming call');
  });

  it('closes by itself where it is told to, unless something went wrong', () => {
    vi.useFakeTimers();
    const { rerender } = render(<CallScreen client={client} closeAfter={3000} />);
    become(CONNECTED);
    become({ status: 'ended', reason: 'hangup' });
    act(() => void vi.advanceTimersByTime(2999));
    // An app that renders anew does not begin the wait anew.
    rerender(<CallScreen client={client} closeAfter={3000} onClose={() => undefined} />);
    expect(dialog()).toBeTruthy();
    act(() => void vi.advanceTimersByTime(1));
    expect(screen.queryByRole('dialog')).toBeNull();

    become(CONNECTED);
    become({ status: 'ended', reason: 'failed', error: { code: 'media_failed', message: '' } });
    act(() => void vi.advanceTimersByTime(60_000));
    expect(announced()).toMatch(/connection was lost.*another network/i);
    vi.useRealTimers();
  });

  it('speaks the language that it is given', () => {
    show({ labels: { incoming: 'Anruf', accept: 'Annehmen', theyRejected: '{name} lehnt ab' } });
    become(INCOMING);
    expect(announced()).toBe('Anruf');
    expect(buttons()).toEqual(['Decline', 'Annehmen']);
    become({ ...OUTGOING, status: 'ended', reason: 'rejected' });
    expect(announced()).toBe('Ravi lehnt ab');
  });

  it('names the other party as the app does, until the server has told', () => {
    show({ nameOf: (bookingId) => (bookingId === 'b1' ? 'Meera' : undefined) });
    become({ status: 'calling', direction: 'outgoing' });
    expect(screen.getByRole('dialog', { name: 'Meera' })).toBeTruthy();
    become({ status: 'ended', reason: 'unavailable' });
    expect(announced()).toBe('Meera cannot be reached right now');
    become(OUTGOING);
    expect(screen.getByRole('dialog', { name: 'Ravi' })).toBeTruthy();
  });

  it('rings while it rings', () => {
    const ringtone = { start: vi.fn(), stop: vi.fn() };
    render(<CallScreen client={client} ringtone={ringtone} />);
    become(INCOMING);
    expect(ringtone.start.mock.calls).toEqual([['incoming']]);
    become({ peerName: 'Asha' });
    expect(ringtone.stop).not.toHaveBeenCalled();
    become({ status: 'connecting' });
    expect(ringtone.stop).toHaveBeenCalledOnce();
    become({ status: 'calling', direction: 'outgoing' });
    become({ status: 'ringing' });
    expect(ringtone.start.mock.calls).toEqual([['incoming'], ['outgoing']]);
    cleanup();
    expect(ringtone.stop).toHaveBeenCalledTimes(2);
  });

  it('names the quality for those who do not see its bars', () => {
    show();
    become({ ...CONNECTED, quality: { score: 2, warnings: ['packet_loss'] } });
    expect(screen.getByRole('img', { name: 'Poor connection' }).dataset.bars).toBe('1');
    expect(announced()).toMatch(/^Connected\. The connection is poor/);
  });

  it('shows video where there is some', () => {
    show();
    const stream = new MediaStream();
    become({ ...CONNECTED, video: true, remoteStream: stream });
    const videos = dialog().querySelectorAll('video');
    expect([...videos].map((video) => [video.srcObject === stream, video.muted])).toEqual([
      [true, true],
    ]);
  });
});

describe('WebRTCCallButton', () => {
  const callButton = () => screen.getByRole('button', { name: /call|ring/i });

  it('calls once', async () => {
    const user = userEvent.setup();
    render(
      <StrictMode>
        <WebRTCCallButton bookingId="b1" client={client} video />
      </StrictMode>,
    );
    expect(call.asked).toEqual([]);
    await user.click(callButton());
    become({ status: 'calling', direction: 'outgoing' });
    expect(callButton().textContent).toBe('Calling…');
    await user.click(callButton());
    expect(call.asked).toEqual(['initiate video']);
    expect(callButton().getAttribute('aria-disabled')).toBe('true');
    become({ status: 'ended', reason: 'busy' });
    await user.click(callButton());
    expect(call.asked).toEqual(['initiate video', 'initiate video']);
  });

  it('waits while another call runs, or where it is told to', async () => {
    const user = userEvent.setup();
    const { rerender } = render(<WebRTCCallButton bookingId="b1" client={client} />);
    act(() => client.call('b2').becomes(CONNECTED));
    await user.click(callButton());
    act(() => client.call('b2').becomes({ status: 'ended', reason: 'hangup' }));
    rerender(<WebRTCCallButton bookingId="b1" client={client} disabled />);
    await user.click(callButton());
    expect(call.asked).toEqual([]);
  });

  it('has a size, a variant, and a name even as an icon', () => {
    render(<WebRTCCallButton bookingId="b1" client={client} size="small" variant="icon" />);
    const { dataset } = screen.getByRole('button', { name: 'Call' });
    expect(dataset).toMatchObject({ size: 'small', variant: 'icon' });
  });

  it('says what it is given', () => {
    render(
      <WebRTCCallButton bookingId="b1" client={client}>
        Call Ravi
      </WebRTCCallButton>,
    );
    expect(screen.getByRole('button', { name: 'Call Ravi' })).toBeTruthy();
  });

  it('says briefly what screen readers say in full', () => {
    render(
      <WebRTCCallButton bookingId="b1" client={client} labels={{ call: 'Call Ravi' }}>
        Call
      </WebRTCCallButton>,
    );
    expect(screen.getByRole('button', { name: 'Call Ravi' }).textContent).toBe('Call');
    become({ status: 'calling', direction: 'outgoing' });
    expect(screen.getByRole('button', { name: 'Calling…' })).toBeTruthy();
  });
});
