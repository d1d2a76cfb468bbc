import { defineConfig } from 'vitest/config';

// A test that needs a page says so itself: `// @vitest-environment happy-dom`.
export default defineConfig({
  // React Native for browsers: the same primitives, drawn as a page.
  resolve: { alias: { 'react-native': 'react-native-web' } },
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
