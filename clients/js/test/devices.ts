/** Devices with real WebRTC and real sockets, and what they send and hear. */

import wrtc from '@roamhq/wrtc';
import { WebSocket } from 'ws';
import { createMaskline } from '../src/index.js';
import type { Call, CallSnapshot, Maskline, MasklineOptions, Platform } from '../src/types.js';
import type { Path } from './path.js';
import type { Booking, Party, Stack } from './stack.js';

const RATE = 48_000;
const TONE = 440;

/** A tone in place of a microphone, in the frames of 10 ms that WebRTC takes. */
export function toneStream(): { stream: MediaStream; stop(): void } {
  const source = new wrtc.nonstandard.RTCAudioSource();
  const track = source.createTrack();
  let at = 0;
  const timer = setInterval(() => {
    const samples = new Int16Array(RATE / 100);
    for (let i = 0; i < samples.length; i++, at++) {
      samples[i] = Math.sin((2 * Math.PI * TONE * at) / RATE) * 10_000;
    }
    source.onData({ samples, sampleRate: RATE, bitsPerSample: 16, channelCount: 1 });
  }, 10);
  return { stream: new wrtc.MediaStream([track]), stop: () => clearInterval(timer) };
}

/** One device of a user. */
export interface Device {
  client: Maskline;
  call: Call;
  /** The frames sent and received, in order, by action and event. */
  sent: string[];
  received: string[];
  sockets: WebSocket[];
  peers: RTCPeerConnection[];
  /** How loud what it last heard is, 0 to 1. */
  loudness(): number;
  close(): void;
}

/** What is unusual about a device. */
export interface Peculiarities {
  platform?: Partial<Platform>;
  /** What its media goes through. */
  path?: Path;
}

/** A device of that user, with a tone for a microphone. */
export function device(
  stack: Stack,
  booking: Booking,
  party: Party,
  { platform, path }: Peculiarities = {},
): Device {
  const sent: string[] = [];
  const received: string[] = [];
  const sockets: WebSocket[] = [];
  const peers: RTCPeerConnection[] = [];
  const tones: { stop(): void }[] = [];
  let loudness = 0;

  class CountingSocket extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols);
      sockets.push(this);
      this.on('message', (text) => received.push(JSON.parse(String(text)).event));
    }
    override send(text: any): void {
      sent.push(JSON.parse(text).action);
      super.send(path ? path.rewrite(text) : text);
    }
  }
  class KnownPeer extends (wrtc.RTCPeerConnection as typeof RTCPeerConnection) {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      peers.push(this);
    }
  }
  const options: MasklineOptions = {
    socketUrl: stack.socketUrl,
    apiUrl: stack.apiUrl,
    userId: party.id,
    getToken: () => party.token,
    platform: {
      WebSocket: CountingSocket as unknown as Platform['WebSocket'],
      RTCPeerConnection: KnownPeer,
      mediaDevices: {
        getUserMedia: async () => {
          const tone = toneStream();
          tones.push(tone);
          return tone.stream;
        },
      },
      play(stream) {
        const [track] = stream.getAudioTracks();
        const sink = new wrtc.nonstandard.RTCAudioSink(track!);
        sink.ondata = ({ samples }: { samples: Int16Array }) => {
          loudness = Math.max(...samples.map(Math.abs)) / 32_768;
        };
        return { started: Promise.resolve(), stop: () => sink.stop() };
      },
      ...platform,
    },
  };
  const client = createMaskline(options);
  return {
    client,
    call: client.call(booking.id),
    sent,
    received,
    sockets,
    peers,
    loudness: () => loudness,
    close() {
      client.close();
      tones.forEach((tone) => tone.stop());
    },
  };
}

/** Waits until a call's snapshot is so. */
export function until(call: Call, holds: (snapshot: CallSnapshot) => boolean): Promise<CallSnapshot> {
  return new Promise((resolve) => {
    const look = () => {
      const snapshot = call.getSnapshot();
      if (!holds(snapshot)) return;
      stop();
      resolve(snapshot);
    };
    const stop = call.subscribe(look);
    look();
  });
}

/** Waits until something is so that nobody tells of. */
export async function becomes(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
