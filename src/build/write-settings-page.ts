import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingsPage } from './settings-page.ts';

// `npm run docs:settings`: writes docs/settings.md of this checkout.
const page = fileURLToPath(new URL('../../docs/settings.md', import.meta.url));
mkdirSync(dirname(page), { recursive: true });
writeFileSync(page, settingsPage());
