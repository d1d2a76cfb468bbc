/** One Chromium for all tests; each person has a context of their own in it. */

import { type Browser, chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  // Both ends are on this machine, which may have no other network.
  '--allow-loopback-in-peer-connection',
];

let running: Promise<Browser> | undefined;

/** The browser, started when it is first wanted. */
export function browser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  return (running ??= chromium.launch({ executablePath, args: FLAGS }));
}

export async function closeBrowser(): Promise<void> {
  await (await running)?.close();
  running = undefined;
}
