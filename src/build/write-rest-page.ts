import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { restPage } from './rest-page.ts';

// Not a step of the build: `npm run docs:rest` after a change of a route or an error code.
const path = fileURLToPath(new URL('../../docs/rest.md', import.meta.url));
writeFileSync(path, restPage(readFileSync(path, 'utf8')));
