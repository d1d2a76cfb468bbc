/** Stacks that tests share, each started when it is first wanted. */

import { after } from 'node:test';

import { closeBrowser } from './browser.js';
import { Stack } from './stack.js';

const running = new Map<string, Promise<Stack>>();

function shared(name: string, settings: Record<string, string>): () => Promise<Stack> {
  return () => {
    const stack = running.get(name) ?? Stack.start(name, settings);
    running.set(name, stack);
    return stack;
  };
}

/** As it is by default, but for limits: all visitors here come from one address. */
export const plainStack = shared('plain', { LIMIT_INITIATE_PER_IP: '1000/60' });

/** Where it rings for three seconds only. */
export const impatientStack = shared('impatient', { APP_RING_SECONDS: '3' });

after(async () => {
  const stacks = await Promise.allSettled(running.values());
  await closeBrowser();
  await Promise.all(stacks.map((one) => one.status === 'fulfilled' && one.value.stop()));
});
