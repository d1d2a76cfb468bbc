import { useCallback, useMemo, useSyncExternalStore } from 'react';

import { idle, isLive } from '../call.js';
import { isIncoming } from '../screen/view.js';
import type { Call, CallSnapshot, ConnectionStatus, Maskline } from '../types.js';
import { useClient } from './provider.js';

/** A call's state, and what can be done about it. */
export type WebRTCCall = CallSnapshot & Omit<Call, 'bookingId' | 'getSnapshot' | 'subscribe'>;

/** The call of a booking. Renders again when something of it changes. */
export function useWebRTCCall(options: { bookingId: string; client?: Maskline }): WebRTCCall {
  const client = useClient(options.client);
  const { bookingId } = options;
  const call = useMemo(() => client?.call(bookingId) ?? noCall(bookingId), [client, bookingId]);
  return useCall(call);
}

/** The call that rings on this device and waits for an answer, whatever its booking. */
export function useIncomingCall(options: { client?: Maskline } = {}): WebRTCCall | undefined {
  return useCallWhere(isIncoming, options.client);
}

/** The call that rings or runs on this device, whatever its booking. */
export function useLiveCall(options: { client?: Maskline } = {}): WebRTCCall | undefined {
  return useCallWhere(isLive, options.client);
}

function useCall(call: Call): WebRTCCall {
  const snapshot = useSnapshot(call);
  const actions = useMemo(() => actionsOf(call), [call]);
  return useMemo(() => ({ ...snapshot, ...actions }), [snapshot, actions]);
}

/** The same functions for as long as it is the same call. */
function actionsOf(call: Call): Omit<WebRTCCall, keyof CallSnapshot> {
  return {
    initiate: (how) => call.initiate(how),
    accept: (how) => call.accept(how),
    reject: (reason) => call.reject(reason),
    end: () => call.end(),
    setMuted: (muted) => call.setMuted(muted),
    toggleMute: () => call.toggleMute(),
    setInput: (kind, deviceId) => call.setInput(kind, deviceId),
    resumeAudio: () => call.resumeAudio(),
  };
}

/** Whether this device can be rung. */
export function useConnection(options: { client?: Maskline } = {}): ConnectionStatus {
  const client = useClient(options.client);
  const subscribe = useCallback(
    (listener: () => void) => client?.subscribe(listener) ?? nothing,
    [client],
  );
  const offline = () => 'offline' as const;
  return useSyncExternalStore(subscribe, () => client?.connection ?? offline(), offline);
}

/** A call's snapshot; `idle` where pages are rendered on a server. */
export function useSnapshot(call: Call): CallSnapshot {
  const subscribe = useCallback((listener: () => void) => call.subscribe(listener), [call]);
  const onServer = useMemo(() => idle(call.bookingId).snapshot, [call]);
  return useSyncExternalStore(
    subscribe,
    () => call.getSnapshot(),
    () => onServer,
  );
}

function useCallWhere(
  holds: (snapshot: CallSnapshot) => boolean,
  given: Maskline | undefined,
): WebRTCCall | undefined {
  const client = useClient(given);
  const subscribe = useCallback(
    (listener: () => void) => subscribeToCalls(client, listener),
    [client],
  );
  const find = () => client?.calls().find((call) => holds(call.getSnapshot()));
  const found = useSyncExternalStore(subscribe, find, () => undefined);
  const call = useCall(found ?? NO_CALL);
  return found && call;
}

/** Calls back when a call comes or goes, and when one changes. */
export function subscribeToCalls(client: Maskline | undefined, listener: () => void): () => void {
  if (client === undefined) return nothing;
  let calls: (() => void)[] = [];
  const unsubscribe = () => calls.forEach((stop) => stop());
  const follow = () => {
    unsubscribe();
    calls = client.calls().map((call) => call.subscribe(listener));
  };
  follow();
  const stop = client.subscribe(() => {
    follow();
    listener();
  });
  return () => {
    stop();
    unsubscribe();
  };
}

function nothing(): void {}

/** What stands for a call while there is no client. */
function noCall(bookingId: string): Call {
  const { snapshot } = idle(bookingId);
  const refuse = () => Promise.reject(new Error('Maskline: there is no client yet'));
  return {
    bookingId,
    getSnapshot: () => snapshot,
    subscribe: () => nothing,
    initiate: refuse,
    accept: refuse,
    reject: nothing,
    end: nothing,
    setMuted: nothing,
    toggleMute: nothing,
    setInput: refuse,
    resumeAudio: refuse,
  };
}

/** For screens without a call. */
export const NO_CALL = noCall('');
