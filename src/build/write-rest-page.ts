import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { operationsFile, queriesFile, shapesFile } from './client-api.ts';
import { restPage } from './rest-page.ts';

// Not a step of the build: `npm run docs:rest` after a change of a route, of an answer or of an error code.
const place = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
writeFileSync(place('docs/rest.md'), restPage(readFileSync(place('docs/rest.md'), 'utf8')));
writeFileSync(place('src/client/api/shapes.ts'), shapesFile());
writeFileSync(place('src/client/api/queries.ts'), queriesFile());
writeFileSync(place('src/client/api/operations.ts'), operationsFile());
