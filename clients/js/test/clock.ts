/** A clock that a test moves. */

import type { Clock } from '../src/types.js';

export interface FakeClock extends Clock {
  /** Lets that time pass, timers and what they promise included. */
  pass(milliseconds: number): Promise<void>;
}

export function fakeClock(start = 0): FakeClock {
  let now = start;
  let order = 0;
  const timers = new Map<number, { at: number; act: () => void }>();

  /** What has been promised happens before anything else. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  return {
    now: () => now,
    setTimeout(act, milliseconds) {
      timers.set(++order, { at: now + milliseconds, act });
      return order;
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
    async pass(milliseconds) {
      const until = now + milliseconds;
      await settle();
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= until);
        const [next] = due.sort(([a, { at }], [b, { at: later }]) => at - later || a - b);
        if (!next) break;
        timers.delete(next[0]);
        now = Math.max(now, next[1].at);
        next[1].act();
        await settle();
      }
      now = until;
    },
  };
}
