import { useEffect } from 'react';

import type { CallView } from './view.js';

/** What is heard while it rings. */
export interface Ringtone {
  /** `incoming`: this device is called. `outgoing`: the other party's device rings. */
  start(kind: 'incoming' | 'outgoing'): void;
  stop(): void;
}

/** Rings for as long as the call does. */
export function useRingtone(ringtone: Ringtone | undefined, view: CallView | undefined): void {
  const phase = view?.phase;
  const kind = phase === 'incoming' || phase === 'outgoing' ? phase : undefined;
  useEffect(() => {
    if (ringtone === undefined || kind === undefined) return undefined;
    ringtone.start(kind);
    return () => ringtone.stop();
  }, [ringtone, kind]);
}
