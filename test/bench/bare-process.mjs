import { createServer } from 'node:http';

/** What a start and an idle process cost before there is any program: node with a server that answers. */
const server = createServer((_req, res) => res.end('{}'));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`  health  http://127.0.0.1:${server.address().port}/readyz\n`);
});
process.once('SIGTERM', () => process.exit(0));
