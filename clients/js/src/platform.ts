/** What the package needs of the platform, found in the globals when it is first used: a page
 * that is rendered on a server has none of it. */

import type { KeyValueStorage, Platform } from './types.js';

/** The platform's parts: those given, else the globals'. Missing ones are undefined. */
export function platformWith(given: Partial<Platform> = {}): Platform {
  return {
    WebSocket: globalThis.WebSocket,
    RTCPeerConnection: globalThis.RTCPeerConnection,
    mediaDevices: globalThis.navigator?.mediaDevices,
    fetch: (...request) => globalThis.fetch(...request),
    clock: {
      now: () => Date.now(),
      setTimeout: (act, milliseconds) => setTimeout(act, milliseconds),
      clearTimeout: (timer) => clearTimeout(timer as number),
    },
    random: () => Math.random(),
    play,
    ...given,
    storage: given.storage ?? sessionStorageOrMemory(),
  };
}

/** Listens to a global event where the platform has such, until the returned function is called. */
export function onGlobal(event: string, act: () => void): () => void {
  globalThis.addEventListener?.(event, act);
  return () => globalThis.removeEventListener?.(event, act);
}

function play(stream: MediaStream): { started: Promise<void>; stop(): void } {
  if (!globalThis.Audio) return { started: Promise.resolve(), stop: () => undefined };
  const audio = new Audio();
  audio.srcObject = stream;
  return {
    started: audio.play(),
    stop: () => {
      audio.pause();
      audio.srcObject = null;
    },
  };
}

function sessionStorageOrMemory(): KeyValueStorage {
  try {
    if (globalThis.sessionStorage) return globalThis.sessionStorage;
  } catch {
    // A frame without its page's origin may not touch it.
  }
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

/** Adds a listener until the returned function is called; one function may be added twice. */
export function listen<T extends unknown[]>(
  listeners: Set<(...told: T) => void>,
  listener: (...told: T) => void,
): () => void {
  const own = (...told: T) => listener(...told);
  listeners.add(own);
  return () => void listeners.delete(own);
}
