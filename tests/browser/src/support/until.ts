/** Waiting for what is to happen, and nothing else. */

import { setTimeout as pause } from 'node:timers/promises';

/** Long enough on a busy machine; only tests that fail wait for it. */
export const DEADLINE = 45_000;
const EVERY = 40;

/** Waits until `look` finds something, and gives that. `what` is said where it does not come. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = Date.now() + DEADLINE;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`it did not come to this: ${what}`);
    await pause(EVERY);
  }
}
