import { createHmac, timingSafeEqual } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import express from 'express';

// The baseline for a webhook endpoint: read the body, verify the HMAC, append a line, respond. Parses and syncs nothing.
const log = openSync('deliveries.jsonl', 'a');
const secret = process.env.GITHUB_WEBHOOK_SECRET ?? '';
const app = express();
app.post('/webhooks/github', express.raw({ type: 'application/json', limit: '25mb' }), (req, res) => {
  const right = Buffer.from(`sha256=${createHmac('sha256', secret).update(req.body).digest('hex')}`);
  const given = Buffer.from(req.get('x-hub-signature-256') ?? '');
  const isRight = given.length === right.length && timingSafeEqual(given, right);
  const line = { timestamp: new Date(), delivery_id: req.get('x-github-delivery'), accepted: isRight };
  writeSync(log, `${JSON.stringify(line)}\n`);
  res.status(isRight ? 202 : 401).json({ status: isRight ? 'accepted' : 'refused' });
});
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`  health  http://127.0.0.1:${server.address().port}/readyz\n`);
});
process.once('SIGTERM', () => process.exit(0));
