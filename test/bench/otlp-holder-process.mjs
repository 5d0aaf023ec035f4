import { startTasktrail } from '../../dist/index.js';

// A process that holds the log directory until SIGTERM. An open trail does not keep a process alive, so it reads stdin.
const trail = await startTasktrail({ hold: 'must' });
process.stdin.resume();
process.once('SIGTERM', () => void trail.shutdown().then(() => process.exit(0)));
process.stdout.write(`${trail.otlpUrl}\n`);
