// `npm run test:storm`. JavaScript, because Node 20 runs no TypeScript: the hook strips the types of what is imported next.
import { register } from 'node:module';

register('./typescript-hook.mjs', import.meta.url);
const { main } = await import('./storm.ts');
process.exit(await main(process.argv.slice(2)));
