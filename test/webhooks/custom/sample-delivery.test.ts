import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { compileSender } from '../../../src/webhooks/custom/compiled-sender.ts';
import { type SampleDelivery, sampleDelivery } from '../../../src/webhooks/custom/sample-delivery.ts';
import { type CustomOptions, createCustom } from '../../../src/webhooks/senders/custom.ts';
import { PRESET_VENDORS } from '../../support/preset-vendors.ts';

const NOW = Date.parse('2026-01-02T03:04:05Z');
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const PUBLIC = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');

function sample(options: CustomOptions): SampleDelivery | undefined {
  const made = { text: '@agent review the login', id: randomUUID(), nowMs: NOW, privateKey };
  return sampleDelivery(compileSender('tracker', options), made);
}

/** What a receiver of this sender makes of the request. */
async function receive(
  options: CustomOptions,
  { headers, body, query }: SampleDelivery['sent'],
): Promise<unknown> {
  const provider = createCustom('tracker', options, '@agent');
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value]] as const);
  const request = {
    headers: Object.fromEntries(lower),
    body: Buffer.from(body),
    nowMs: NOW,
    query: new URLSearchParams(query),
  };
  const refusal = await provider.verify(request);
  if (refusal !== undefined) return refusal;
  const read = provider.read(request);
  return 'payload' in read ? read.said : read[0].said;
}

const PRESETS = PRESET_VENDORS.map(({ preset, secrets, options }, index): [string, CustomOptions] => [
  `${preset} ${index}`,
  { preset, secret: preset === 'discord' ? PUBLIC : secrets[1], ...options },
]);

test.each<[string, CustomOptions]>([
  ...PRESETS,
  [
    'a sender of its own',
    {
      secret: 'own',
      header: 'X-Sig',
      separator: ',',
      prefix: 'v1=',
      timestampPrefix: 't=',
      signed: '{timestamp}.{header:x-nonce}.{body}',
      events: 'items',
      message: 'notes.0.text',
      eventType: 'kind',
      action: 'act',
      bot: 'user.bot',
      only: { event: ['note.*'], action: ['', 'made'], 'user.team': ['core'] },
      ignore: { bot: [true] },
    },
  ],
  [
    'fields in the body',
    { secret: 'k', signature: 'sig', signed: '{timestamp}{body:nonce}', timestamp: 'at', message: 't' },
  ],
  ['a token in the address', { secret: 'a b&c', query: 'key', algorithm: 'token', message: 'text' }],
  ['a key beside an older one', { secret: ['first', 'second'], header: 'x', message: 'text' }],
])('%s: the receiver takes the delivery, and the printed one has no token', async (_what, options) => {
  const delivery = sample(options);
  expect(await receive(options, delivery?.sent ?? { headers: {}, body: '', query: '' })).toMatchObject({
    text: '@agent review the login',
  });
  const { shown, sent } = delivery ?? {};
  const isToken = JSON.stringify(shown) !== JSON.stringify(sent);
  if (isToken) expect(JSON.stringify(shown)).toContain('(secret)');
  const secrets = [options.secret ?? []].flat().filter((secret) => secret !== PUBLIC && secret.length > 3);
  for (const secret of secrets) {
    const text = decodeURIComponent(JSON.stringify(shown));
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(`tasktrail:${secret}`).toString('base64'));
  }
});

test('two samples are two comments: the second one starts its command, too', () => {
  const [first, second] = [
    sample({ preset: 'gitlab', secret: 's' }),
    sample({ preset: 'gitlab', secret: 's' }),
  ];
  const identity = (delivery: SampleDelivery | undefined): unknown =>
    (JSON.parse(delivery?.sent.body ?? '{}') as { object_attributes: { id: string } }).object_attributes.id;
  expect(identity(first)).not.toBe(identity(second));
});

test('Ed25519 without a private key makes no delivery', () => {
  const sender = compileSender('chat', { preset: 'discord', secret: PUBLIC });
  expect(sampleDelivery(sender, { text: 'x', id: '1', nowMs: NOW })).toBeUndefined();
});
