/** Screens as people see them: pictures that a run leaves, and a check of their accessibility. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';

import { artifacts } from './files.js';

/** Sizes of a phone and of a laptop, in CSS pixels. */
export const PHONE = { width: 390, height: 844 };
export const LAPTOP = { width: 1366, height: 768 };

const LOOKS = [
  { name: 'phone', size: PHONE, colorScheme: 'light' },
  { name: 'phone-dark', size: PHONE, colorScheme: 'dark' },
  { name: 'laptop', size: LAPTOP, colorScheme: 'light' },
] as const;

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES: RunOptions = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
};

declare global {
  interface Window {
    axe: { run(options: RunOptions): Promise<AxeResults> };
  }
}

/** Takes pictures of what the page shows now into `target/browser/screens/<name>-<look>.png`, and
 * has it checked in each look. */
export async function look(page: Page, name: string): Promise<void> {
  const before = page.viewportSize() ?? PHONE;
  await page.evaluate(AXE);
  for (const { name: kind, size, colorScheme } of LOOKS) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme });
    await page.screenshot({
      path: join(artifacts('screens'), `${name}-${kind}.png`),
      animations: 'disabled',
    });
    const { violations } = await page.evaluate((rules) => window.axe.run(rules), RULES);
    const wrong = violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}: ${node.html} ${node.any[0]?.message ?? ''}`),
    );
    assert.deepEqual(wrong, [], `${name} on a ${kind}`);
  }
  await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: null });
}
