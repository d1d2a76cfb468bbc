// @vitest-environment happy-dom
import { type ReactNode, StrictMode } from 'react';

import { act, cleanup, render, screen, waitFor } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';

import { MasklineProvider, useConnection } from '../../src/react/index.js';
import { ringingTone } from '../../src/react/ringingTone.js';
import type { MasklineOptions } from '../../src/types.js';

afterEach(() => {
  cleanup();
  FakeSocket.all = [];
});

/** A socket that never opens. */
class FakeSocket extends EventTarget {
  static all: FakeSocket[] = [];
  static readonly OPEN = 1;
  readonly url: string;
  readonly protocols: unknown;
  readyState = 0;

  constructor(url: string, protocols?: unknown) {
    super();
    this.url = url;
    this.protocols = protocols;
    FakeSocket.all.push(this);
  }

  send(): void {}

  close(): void {
    this.readyState = 3;
  }
}

const open = () => FakeSocket.all.filter(({ readyState }) => readyState < 2);

function options(userId: string, token = 'token'): MasklineOptions {
  return {
    socketUrl: 'wss://calls.example/live',
    apiUrl: 'https://api.example',
    userId,
    getToken: () => token,
    platform: { WebSocket: FakeSocket as never },
  };
}

function Page({ given }: { given: MasklineOptions | undefined }): ReactNode {
  return (
    <StrictMode>
      <MasklineProvider options={given}>
        <Connection />
      </MasklineProvider>
    </StrictMode>
  );
}

function Connection(): ReactNode {
  return <p>{useConnection()}</p>;
}

it('connects one client for the user who is signed in, and closes it when they leave', async () => {
  const { rerender, unmount } = render(<Page given={undefined} />);
  expect(screen.getByText('offline')).toBeTruthy();
  expect(FakeSocket.all).toEqual([]);

  rerender(<Page given={options('asha')} />);
  await waitFor(() => expect(open()).toHaveLength(1));
  expect(screen.getByText('connecting')).toBeTruthy();
  const [first] = open();
  // The same user, in a new object with a new token.
  rerender(<Page given={options('asha', 'another')} />);
  await act(async () => undefined);
  expect(open()).toEqual([first]);

  rerender(<Page given={options('ravi')} />);
  await waitFor(() => expect(open()).toHaveLength(1));
  expect(open()).not.toEqual([first]);
  unmount();
  expect(open()).toEqual([]);
});

it('makes a tone where the browser can, and stops it', () => {
  const close = vi.fn();
  const node = () => ({
    connect: vi.fn(),
    start: vi.fn(),
    frequency: { value: 0 },
    gain: { value: 1, setTargetAtTime: vi.fn() },
  });
  const oscillators: ReturnType<typeof node>[] = [];
  class FakeAudioContext {
    currentTime = 0;
    destination = {};
    close = close;
    createGain = node;
    createOscillator() {
      const made = node();
      oscillators.push(made);
      return made;
    }
  }
  vi.stubGlobal('AudioContext', FakeAudioContext);
  const tone = ringingTone();
  tone.start('incoming');
  expect(oscillators.map(({ frequency }) => frequency.value)).toEqual([660, 880]);
  expect(oscillators.every(({ start }) => start.mock.calls.length === 1)).toBe(true);
  tone.stop();
  tone.stop();
  expect(close).toHaveBeenCalledOnce();

  vi.stubGlobal('AudioContext', undefined);
  expect(() => tone.start('outgoing')).not.toThrow();
  vi.unstubAllGlobals();
});
