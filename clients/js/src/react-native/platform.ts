/** What React Native provides, as the client wants it. */

import type { KeyValueStorage, Platform } from '../types.js';

/** The part of the module `react-native-webrtc` that is used. Its classes do what a browser's do,
 * but their types are its own. */
export interface NativeWebRTC {
  RTCPeerConnection: new (configuration?: any) => any;
  mediaDevices: { getUserMedia(constraints?: any): Promise<any> };
}

/** Where the sound goes while a call runs: earpiece, loudspeaker, headset; `InCallManager` of
 * react-native-incall-manager, for instance. */
export interface AudioRoute {
  start(): void;
  stop(): void;
}

/** What `createNativePlatform` takes. */
export interface NativePlatformOptions {
  /** The module: `import * as webrtc from 'react-native-webrtc'`. */
  webrtc: NativeWebRTC;
  /** What survives a restart of the JavaScript, MMKV for instance; memory without it. */
  storage?: KeyValueStorage;
  audioRoute?: AudioRoute;
}

/** Makes the `platform` of `createMaskline` for a React Native app. Sockets, requests and time are
 * React Native's own. */
export function createNativePlatform(options: NativePlatformOptions): Partial<Platform> {
  const { webrtc, storage, audioRoute } = options;
  return {
    RTCPeerConnection: webrtc.RTCPeerConnection,
    mediaDevices: webrtc.mediaDevices,
    storage,
    // react-native-webrtc plays what it receives; only the way to the ear is the app's.
    play: () => {
      audioRoute?.start();
      return { started: Promise.resolve(), stop: () => audioRoute?.stop() };
    },
  };
}
