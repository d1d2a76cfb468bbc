// Prints what each entry of the package weighs in a page: bundled, minified, gzipped.
// The core may weigh 8 kB at most. The same goes to `target` for `make bench`.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMIT = 8192;
const CORE = 'src/index.ts';
const TARGET = '../../target';
const NOT_OURS = ['react', 'react-dom', 'react-native', 'react-native-webrtc'];

async function weigh(entry, external) {
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    external,
  });
  return gzipSync(built.outputFiles[0].contents, { level: 9 }).length;
}

const core = await weigh(CORE, []);
const sizes = [{ entry: '@maskline/client', bytes: core, limit: LIMIT }];
console.log(`@maskline/client: ${core} bytes gzipped, of ${LIMIT}`);
for (const name of ['react', 'react-native']) {
  const entry = [`src/${name}/index.ts`, `src/${name}/index.tsx`].find((path) => existsSync(path));
  if (entry === undefined) continue;
  const whole = await weigh(entry, NOT_OURS);
  sizes.push({ entry: `@maskline/client/${name}`, bytes: whole });
  console.log(`@maskline/client/${name}: ${whole} bytes gzipped with what it uses of the core`);
}
mkdirSync(TARGET, { recursive: true });
writeFileSync(`${TARGET}/client-size.json`, JSON.stringify(sizes));
if (core > LIMIT) {
  console.error(`The core is ${core - LIMIT} bytes too big.`);
  process.exitCode = 1;
}
