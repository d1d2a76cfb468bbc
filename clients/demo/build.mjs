// Builds the demo apps into dist, where the local stack finds them.

import { cp, mkdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';

await rm('dist', { recursive: true, force: true });
await mkdir('dist/assets', { recursive: true });
await cp('src/pages', 'dist', { recursive: true });
await build({
  entryPoints: ['src/user.tsx', 'src/provider.tsx', 'src/owner.tsx', 'src/style.css'],
  outdir: 'dist/assets',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  minify: true,
  define: { 'process.env.NODE_ENV': '"production"' },
});
