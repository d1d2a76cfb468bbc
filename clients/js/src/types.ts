/** What the package shows to the outside: calls, their states, their errors. */

import type { EndReason, ServerErrorCode } from './frames.js';

export type { EndReason };

/** Where a call stands on this device. `calling` until the server rings the other party, then
 * `ringing`; where it is incoming, `ringing` means that it rings here. */
export type CallStatus = 'idle' | 'calling' | 'ringing' | 'connecting' | 'connected' | 'ended';

/** Who began the call, seen from this device. */
export type Direction = 'outgoing' | 'incoming';

/** What went wrong, in words that an app can act on. */
export type ErrorCode =
  /** The person, or the system, does not let the app use the microphone or camera. */
  | 'permission_denied'
  /** There is no microphone or camera. */
  | 'device_not_found'
  /** Another program has the microphone or camera. */
  | 'device_in_use'
  /** The platform cannot hold calls: no getUserMedia (a page without HTTPS) or no WebRTC. */
  | 'unsupported'
  /** Audio did not get through within the deadline, or was lost for good. */
  | 'media_failed'
  /** No connection to the server, or no token to connect with. */
  | 'offline'
  /** The server's own codes, but for those of telephone calls. */
  | Exclude<ServerErrorCode, 'invalid_phone' | 'destination_not_allowed' | 'upstream_failed'>
  | 'unknown';

/** An error as apps see it: a code to act on, a message for the developer. */
export interface CallError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What call quality suffers from. */
export type QualityWarning = 'packet_loss' | 'jitter' | 'round_trip' | 'no_audio';

/** How good the call is: measured every five seconds. */
export interface Quality {
  /** 1 (bad) to 5 (as good as it gets): an estimated mean opinion score, rounded to 0.1. */
  readonly score: number;
  readonly warnings: readonly QualityWarning[];
  /** Milliseconds there and back. */
  readonly roundTripMs?: number;
  /** Milliseconds. */
  readonly jitterMs?: number;
  /** 0 to 1, of the last five seconds. */
  readonly packetLoss?: number;
}

/** Everything a screen has to know of a call. A new object whenever something changes. */
export interface CallSnapshot {
  readonly bookingId: string;
  readonly callId?: string;
  readonly status: CallStatus;
  readonly direction?: Direction;
  /** Why it ended; only with `ended`. */
  readonly reason?: EndReason;
  /** The other party's name, and what the call is about. */
  readonly peerName?: string;
  readonly serviceName?: string;
  /** When the call was accepted, by this device's clock, in milliseconds since 1970. */
  readonly acceptedAt?: number;
  /** Whole seconds since it was accepted; once ended, the server's figure. */
  readonly duration: number;
  readonly muted: boolean;
  /** Audio is interrupted for now and being restored. */
  readonly reconnecting: boolean;
  /** The browser will not play sound before the person has touched the page: `resumeAudio()`. */
  readonly audioBlocked: boolean;
  readonly video: boolean;
  readonly quality?: Quality;
  readonly error?: CallError;
  readonly localStream?: MediaStream;
  readonly remoteStream?: MediaStream;
}

/** The one call of a booking on this device. What went wrong is in the snapshot's `error`; the
 * promises do not tell of it, and do not reject. */
export interface Call {
  readonly bookingId: string;
  /** The same object until something changes. */
  getSnapshot(): CallSnapshot;
  /** Calls back after every change, until the returned function is called. */
  subscribe(listener: () => void): () => void;
  /** Asks for the microphone, then rings the other party; connects first where needed. Where
   * it rings here already, the same as `accept`. */
  initiate(options?: { video?: boolean }): Promise<void>;
  /** Asks for the microphone, then takes the call that rings here; with the camera, too, where
   * both want that. */
  accept(options?: { video?: boolean }): Promise<void>;
  reject(reason?: 'rejected' | 'busy'): void;
  /** Hangs up, or gives up while it rings. */
  end(): void;
  setMuted(muted: boolean): void;
  toggleMute(): void;
  /** Uses another microphone or camera from now on. */
  setInput(kind: 'audio' | 'video', deviceId: string): Promise<void>;
  /** Starts sound that the browser held back; call it from a click. */
  resumeAudio(): Promise<void>;
}

/** The connection to the server. */
export type ConnectionStatus = 'offline' | 'connecting' | 'online';

/** A device's connection and its calls. */
export interface Maskline {
  readonly connection: ConnectionStatus;
  /** Opens the connection and keeps it: needed to be rung. Where it is open already, finds out
   * whether the server still answers, and does not wait for the next try. */
  connect(): void;
  /** Hangs up and closes the connection. */
  close(): void;
  /** The call object of a booking: the same one each time. */
  call(bookingId: string): Call;
  /** Calls that are not idle, newest first. */
  calls(): readonly Call[];
  /** Tells of each call that begins to ring here, until the returned function is called. */
  onIncoming(listener: (call: Call) => void): () => void;
  /** Calls back when `connection` or `calls()` changes. */
  subscribe(listener: () => void): () => void;
}

/** What a client is made of. */
export interface MasklineOptions {
  /** The WebSocket API, `wss://…`. */
  socketUrl: string;
  /** The HTTP API, `https://…`, for ICE servers. */
  apiUrl: string;
  /** The signed-in user: the token's `sub`. */
  userId: string;
  /** A token that still holds; asked for at each connect. */
  getToken: () => string | Promise<string>;
  /** What the platform provides; by default the browser's own. */
  platform?: Partial<Platform>;
}

/** A place that survives a reload of the page: the browser's sessionStorage has this shape. */
export interface KeyValueStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Time, so that tests own it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  setTimeout(act: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** What a platform provides: a browser, React Native with react-native-webrtc, Node. */
export interface Platform {
  WebSocket: new (url: string, protocols?: string | string[]) => WebSocket;
  RTCPeerConnection: new (configuration?: RTCConfiguration) => RTCPeerConnection;
  mediaDevices: Pick<MediaDevices, 'getUserMedia'> &
    Partial<Pick<MediaDevices, 'addEventListener' | 'removeEventListener' | 'enumerateDevices'>>;
  fetch: typeof fetch;
  clock: Clock;
  storage: KeyValueStorage;
  random: () => number;
  /** Plays the other party's audio and returns how to stop it; rejects where the platform
   * wants a touch first (`NotAllowedError`). Where the platform plays by itself, it does nothing. */
  play(stream: MediaStream): { started: Promise<void>; stop(): void };
}
