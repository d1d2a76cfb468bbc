/** What the call screens of the web and of React Native have in common: everything but looks. */

import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';

import { isLive } from '../call.js';
import { NO_CALL, subscribeToCalls, useSnapshot } from '../hooks/hooks.js';
import { useClient } from '../hooks/provider.js';
import type { Call, CallSnapshot, Maskline } from '../types.js';
import { type LabelOverrides, type Labels, withOverrides } from './labels.js';
import { type Ringtone, useRingtone } from './ringtone.js';
import { type Action, type CallView, callView } from './view.js';

/** What call screens take. */
export interface CallScreenOptions {
  /** Only the call of this booking; without it, whichever call rings or runs. */
  bookingId?: string;
  /** The client, where there is no `MasklineProvider`. */
  client?: Maskline;
  /** The other party's name, where the app knows it before the server has told it. */
  nameOf?: (bookingId: string) => string | undefined;
  /** An app's own texts, a translation for instance. */
  labels?: LabelOverrides;
  /** What is heard while it rings. */
  ringtone?: Ringtone;
  /** Closes the screen of an ended call after so many milliseconds. Without it, the screen stays
   * until the person closes it; where something went wrong it always does. */
  closeAfter?: number;
  /** The screen of an ended call was closed. */
  onClose?: () => void;
}

/** A screen's content, and what its buttons do. */
export interface CallScreenModel {
  readonly view: CallView;
  readonly snapshot: CallSnapshot;
  readonly labels: Labels;
  press(action: Action): void;
}

/** The screen to show; nothing while there is no call. */
export function useCallScreen(
  options: CallScreenOptions,
  defaults: Labels,
): CallScreenModel | undefined {
  const { bookingId, nameOf, onClose } = options;
  const client = useClient(options.client);
  const labels = useMemo(() => withOverrides(defaults, options.labels), [defaults, options.labels]);
  const { call, dismiss } = useShownCall(client, bookingId);
  const snapshot = useSnapshot(call ?? NO_CALL);
  const view = useMemo(() => {
    const peerName = snapshot.peerName ?? nameOf?.(snapshot.bookingId);
    return callView({ ...snapshot, peerName }, labels);
  }, [snapshot, nameOf, labels]);
  const shown = call && view;

  const close = useCallback(() => {
    dismiss();
    onClose?.();
  }, [dismiss, onClose]);
  useRingtone(options.ringtone, shown);
  useCloseAfter(options.closeAfter, shown?.phase === 'ended' && !shown.hint, close);

  const press = useCallback(
    (action: Action) => {
      if (action === 'close') close();
      else if (call) act(call, action);
    },
    [call, close],
  );
  return shown && { view: shown, snapshot, labels, press };
}

/** The call that is live, or was until a moment ago and has not been dismissed. */
function useShownCall(
  client: Maskline | undefined,
  bookingId: string | undefined,
): { call: Call | undefined; dismiss: () => void } {
  const last = useMemo(() => lastCall(client, bookingId), [client, bookingId]);
  const call = useSyncExternalStore(last.subscribe, last.get, () => undefined);
  return { call, dismiss: last.dismiss };
}

/** Remembers the last call that was live, also one that ends before anything has been rendered. */
function lastCall(client: Maskline | undefined, bookingId: string | undefined) {
  let last: Call | undefined;
  const listeners = new Set<() => void>();
  const isOurs = (call: Call) => bookingId === undefined || call.bookingId === bookingId;
  const get = () => {
    const live = client?.calls().find((call) => isOurs(call) && isLive(call.getSnapshot()));
    last = live ?? last;
    return last;
  };
  return {
    get,
    subscribe(listener: () => void) {
      listeners.add(listener);
      const stop = subscribeToCalls(client, () => {
        get();
        listener();
      });
      return () => {
        listeners.delete(listener);
        stop();
      };
    },
    dismiss() {
      last = undefined;
      for (const listener of listeners) listener();
    },
  };
}

function useCloseAfter(milliseconds: number | undefined, ended: boolean, close: () => void): void {
  const latest = useRef(close);
  useEffect(() => {
    latest.current = close;
  });
  useEffect(() => {
    if (milliseconds === undefined || !ended) return undefined;
    const timer = setTimeout(() => latest.current(), milliseconds);
    return () => clearTimeout(timer);
  }, [milliseconds, ended]);
}

function act(call: Call, action: Exclude<Action, 'close'>): void {
  switch (action) {
    case 'accept':
      return void call.accept({ video: call.getSnapshot().video });
    case 'reject':
      return call.reject();
    case 'cancel':
    case 'end':
      return call.end();
    case 'mute':
      return call.toggleMute();
    case 'resumeAudio':
      return void call.resumeAudio();
    case 'again':
      return void call.initiate({ video: call.getSnapshot().video });
  }
}
