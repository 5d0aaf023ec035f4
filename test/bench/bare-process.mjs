import { createServer } from 'node:http';

// The baseline for start time and idle memory: Node with an HTTP server.
const server = createServer((_req, res) => res.end('{}'));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`  health  http://127.0.0.1:${server.address().port}/readyz\n`);
});
process.once('SIGTERM', () => process.exit(0));
