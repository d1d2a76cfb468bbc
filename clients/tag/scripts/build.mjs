// Builds the script into `dist`, as it is and gzipped: the function `tag-page` holds both.

import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** The most that it may weigh, bytes gzipped: somebody in a car park waits for it. */
const LIMIT = 12 * 1024;

const built = await build({
  entryPoints: ['src/main.ts'],
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  target: 'es2022',
  legalComments: 'none',
});
const script = built.outputFiles[0].contents;
const gzipped = gzipSync(script, { level: 9 });
if (gzipped.length > LIMIT) throw new Error(`${gzipped.length} bytes gzipped, of ${LIMIT}`);
mkdirSync('dist', { recursive: true });
writeFileSync('dist/tag.js', script);
writeFileSync('dist/tag.js.gz', gzipped);
console.log(`The tag page's script: ${gzipped.length} bytes gzipped, of ${LIMIT}`);
