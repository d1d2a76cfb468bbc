// @vitest-environment happy-dom
import { StrictMode } from 'react';
import { renderToString } from 'react-dom/server';

import { act, cleanup, render, renderHook } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  CallScreen,
  MasklineProvider,
  WebRTCCallButton,
  useConnection,
  useIncomingCall,
  useLiveCall,
  useMaskline,
  useWebRTCCall,
} from '../../src/react/index.js';
import { CONNECTED, FakeMaskline, INCOMING } from './fake.js';

afterEach(cleanup);

describe('useWebRTCCall', () => {
  it('follows its call and passes on what is asked', async () => {
    const client = new FakeMaskline();
    const call = client.call('b1');
    const { result } = renderHook(() => useWebRTCCall({ bookingId: 'b1', client }));
    expect(result.current).toMatchObject({ status: 'idle', bookingId: 'b1', muted: false });
    await result.current.initiate({ video: true });
    await result.current.accept();
    result.current.reject('busy');
    result.current.end();
    await result.current.setInput('audio', 'mic-2');
    await result.current.resumeAudio();
    act(() => result.current.toggleMute());
    expect(result.current.muted).toBe(true);
    expect(call.asked).toEqual([
      'initiate video',
      'accept',
      'reject busy',
      'end',
      'audio mic-2',
      'resumeAudio',
      'muted true',
    ]);
    act(() => call.becomes(CONNECTED));
    expect(result.current).toMatchObject({ status: 'connected', duration: 65, peerName: 'Ravi' });
  });

  it('does not render again where nothing changed', () => {
    const client = new FakeMaskline();
    let renders = 0;
    const { result } = renderHook(() => {
      renders += 1;
      return useWebRTCCall({ bookingId: 'b1', client });
    });
    const before = result.current;
    act(() => client.call('b1').notify());
    act(() => client.call('b2').becomes(INCOMING));
    expect(renders).toBe(1);
    act(() => client.call('b1').becomes({ duration: 1 }));
    expect(renders).toBe(2);
    expect(result.current).not.toBe(before);
    expect(result.current.initiate).toBe(before.initiate);
  });

  it('follows another booking when it is given one', () => {
    const client = new FakeMaskline();
    client.call('b2').becomes(INCOMING);
    const { result, rerender } = renderHook((props) => useWebRTCCall({ ...props, client }), {
      initialProps: { bookingId: 'b1' },
    });
    rerender({ bookingId: 'b2' });
    expect(result.current.status).toBe('ringing');
    expect(client.call('b1').listeners.size).toBe(0);
  });

  it('leaves nothing behind when it is unmounted, StrictMode or not', () => {
    const client = new FakeMaskline();
    client.call('b1').becomes(CONNECTED);
    const { unmount } = render(
      <StrictMode>
        <MasklineProvider client={client}>
          <CallScreen />
          <WebRTCCallButton bookingId="b1" />
        </MasklineProvider>
      </StrictMode>,
    );
    expect(client.subscriptions()).toBeGreaterThan(0);
    unmount();
    expect(client.subscriptions()).toBe(0);
    expect(client.call('b1').asked).toEqual([]);
  });

  it('is idle while there is no client, and says why it cannot call', async () => {
    const { result } = renderHook(() => useWebRTCCall({ bookingId: 'b1' }), {
      wrapper: ({ children }) => <MasklineProvider client={undefined}>{children}</MasklineProvider>,
    });
    expect(result.current.status).toBe('idle');
    await expect(result.current.initiate()).rejects.toThrow('no client');
  });

  it('names what is missing where there is no provider', () => {
    vi.spyOn(console, 'error').mockReturnValue(undefined);
    expect(() => renderHook(() => useWebRTCCall({ bookingId: 'b1' }))).toThrow('MasklineProvider');
    expect(() => renderHook(() => useMaskline())).toThrow('MasklineProvider');
    vi.restoreAllMocks();
  });
});

describe('useIncomingCall', () => {
  it('is the call that rings here, while it rings', () => {
    const client = new FakeMaskline();
    const { result } = renderHook(() => useIncomingCall({ client }));
    expect(result.current).toBeUndefined();
    act(() => client.call('b7').becomes(INCOMING));
    expect(result.current).toMatchObject({ bookingId: 'b7', peerName: 'Asha Rao' });
    act(() => client.call('b7').becomes({ status: 'connecting' }));
    expect(result.current).toBeUndefined();
  });
});

describe('useLiveCall', () => {
  it('is the call that rings or runs, until it ends', () => {
    const client = new FakeMaskline();
    const { result } = renderHook(() => useLiveCall({ client }));
    act(() => client.call('b7').becomes(INCOMING));
    act(() => client.call('b7').becomes(CONNECTED));
    expect(result.current).toMatchObject({ bookingId: 'b7', status: 'connected' });
    act(() => client.call('b7').becomes({ status: 'ended', reason: 'hangup' }));
    expect(result.current).toBeUndefined();
  });
});

describe('useConnection', () => {
  it('follows the connection', () => {
    const client = new FakeMaskline();
    const { result } = renderHook(() => useConnection({ client }));
    expect(result.current).toBe('online');
    act(() => {
      client.connection = 'offline';
      client.notify();
    });
    expect(result.current).toBe('offline');
  });
});

describe('on a server', () => {
  it('renders a button and no screen, and asks nothing of a call', () => {
    const client = new FakeMaskline();
    client.call('b1').becomes(INCOMING);
    const html = renderToString(
      <MasklineProvider client={client}>
        <CallScreen />
        <WebRTCCallButton bookingId="b1" />
      </MasklineProvider>,
    );
    expect(html).toContain('Call');
    expect(html).not.toContain('dialog');
    expect(client.subscriptions()).toBe(0);
    expect(client.call('b1').asked).toEqual([]);
  });
});
