/** Where things are. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's own folder. */
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** What a run leaves for people to look at. */
export const ARTIFACTS = join(ROOT, 'target/browser');

/** A folder in there, made where it is missing. */
export function artifacts(folder = ''): string {
  const path = join(ARTIFACTS, folder);
  mkdirSync(path, { recursive: true });
  return path;
}

/** One of the programs that `make build-dev` builds. */
export function program(name: string): string {
  return join(ROOT, 'target/debug', name);
}
