import { startTasktrail } from '../../dist/index.js';

/** An open trail keeps no process alive: this one lives as long as its standard input. */
const trail = await startTasktrail({ hold: 'must' });
process.stdin.resume();
process.once('SIGTERM', () => void trail.shutdown().then(() => process.exit(0)));
process.stdout.write(`${trail.otlpUrl}\n`);
