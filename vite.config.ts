import { resolve } from 'node:path';
import { defineConfig, type UserConfig } from 'vite';

/** The page of the browser. `npm run build` calls it with `--outDir`. */
const config: UserConfig = defineConfig({
  root: resolve(import.meta.dirname, 'src/page/browser'),
  // Relative addresses: the page can be mounted below any path.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    // The content security policy allows no inlined data but images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Which files a view needs: the server names them in the document.
    manifest: 'manifest.json',
    cssCodeSplit: false,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
});

export default config;
