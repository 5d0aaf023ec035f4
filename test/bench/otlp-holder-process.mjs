import { startTasktrail } from '../../dist/index.js';

const trail = await startTasktrail({ mustHold: true });
process.once('SIGTERM', () => void trail.shutdown().then(() => process.exit(0)));
process.stdout.write(`${trail.otlpUrl}\n`);
