/** Screens as people see them: pictures that a run leaves, and a check of their accessibility. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { AxeResults, RunOptions } from 'axe-core';
import type { Locator, Page } from 'playwright-core';

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

/** The contrast of an element's colour with its background where that lies over a picture: the less
 * of that over white and that over black (WCAG 2.2, contrast ratio). */
export async function leastContrast(element: Locator): Promise<number> {
  const style = await element.evaluate((one) => {
    const { color, backgroundColor } = getComputedStyle(one);
    return { color, backgroundColor };
  });
  const [color] = channels(style.color);
  const [background, alpha] = channels(style.backgroundColor);
  const contrasts = [0, 255].map((under) => {
    const seen = background.map((channel) => channel * alpha + under * (1 - alpha));
    const [dark, light] = [luminance(seen), luminance(color)].sort((a, b) => a - b) as [number, number];
    return (light + 0.05) / (dark + 0.05);
  });
  return Math.min(...contrasts);
}

/** Of a computed colour: red, green and blue from 0 to 255, and how opaque it is, from 0 to 1. */
function channels(color: string): [number[], number] {
  const [red, green, blue, alpha = 1] = (color.match(/[\d.]+/g) ?? []).map(Number);
  assert.ok(color.startsWith('rgb') && blue !== undefined, color);
  return [[red!, green!, blue], alpha];
}

/** WCAG 2.2, relative luminance. */
function luminance(color: number[]): number {
  const [red, green, blue] = color.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
