/** What the call screens of the web and of React Native have in common: everything but looks. */

import { useCallback, useEffect, useMemo, useState } from 'react';

import { NO_CALL, useLiveCall, useSnapshot } from '../hooks/hooks.js';
import { useClient } from '../hooks/provider.js';
import type { Call, CallSnapshot, Maskline } from '../types.js';
import { type LabelOverrides, type Labels, withOverrides } from './labels.js';
import { type Ringtone, useRingtone } from './ringtone.js';
import { type Action, type CallView, callView, isLive } from './view.js';

/** What call screens take. */
export interface CallScreenOptions {
  /** Only the call of this booking; without it, whichever call rings or runs. */
  bookingId?: string;
  /** The client, where there is no `MasklineProvider`. */
  client?: Maskline;
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
  const { bookingId, onClose } = options;
  const client = useClient(options.client);
  const labels = useMemo(() => withOverrides(defaults, options.labels), [defaults, options.labels]);
  const { call, dismiss } = useShownCall(client, bookingId);
  const snapshot = useSnapshot(call ?? NO_CALL);
  const view = useMemo(() => callView(snapshot, labels), [snapshot, labels]);
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
  const anyLive = useLiveCall(bookingId === undefined ? client : undefined);
  const own = useMemo(
    () => (bookingId === undefined ? undefined : client?.call(bookingId)),
    [client, bookingId],
  );
  const ownSnapshot = useSnapshot(own ?? NO_CALL);
  const live = own && isLive(ownSnapshot) ? own : anyLive;

  const [shown, setShown] = useState<Call>();
  if (live !== undefined && live !== shown) setShown(live);
  const dismiss = useCallback(() => setShown(undefined), []);
  const call = live ?? shown;
  // After a sign-out the calls of the former client are no longer anybody's.
  const known = call && client?.call(call.bookingId) === call;
  return { call: known ? call : undefined, dismiss };
}

function useCloseAfter(
  milliseconds: number | undefined,
  ended: boolean,
  close: () => void,
): void {
  useEffect(() => {
    if (milliseconds === undefined || !ended) return undefined;
    const timer = setTimeout(close, milliseconds);
    return () => clearTimeout(timer);
  }, [milliseconds, ended, close]);
}

function act(call: Call, action: Exclude<Action, 'close'>): void {
  switch (action) {
    case 'accept':
      return shownInSnapshot(call.accept({ video: call.getSnapshot().video }));
    case 'reject':
      return call.reject();
    case 'cancel':
    case 'end':
      return call.end();
    case 'mute':
      return call.toggleMute();
    case 'resumeAudio':
      return shownInSnapshot(call.resumeAudio());
    case 'again':
      return shownInSnapshot(call.initiate({ video: call.getSnapshot().video }));
  }
}

/** A call's failures are in its snapshot, and on the screen. */
export function shownInSnapshot(attempt: Promise<void>): void {
  attempt.catch(() => undefined);
}
