import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WEBHOOK_PRESETS } from '../../../src/model/webhook-presets.ts';
import type { Trail } from '../../../src/trail/trail.ts';
import { PRESET_VENDORS, type PresetVendor, type SentDelivery } from '../../support/preset-vendors.ts';
import { openReceiver, openTrail, type Receiver, readDeliveries } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

let logDir: string;
let trail: Trail;
let receiver: Receiver;

const NAMES = PRESET_VENDORS.map(({ preset, place }, index) => `${preset}-${index}-${Object.keys(place)[0]}`);

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-presets-'));
  trail = await openTrail(logDir);
  const senders = PRESET_VENDORS.map(({ preset, secrets: [old, current], options }, index) => [
    NAMES[index] ?? '',
    { preset, secret: [old, current], ...options },
  ]);
  receiver = await openReceiver({ custom: Object.fromEntries(senders) });
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** With `node:http`, which sends a list of values as several headers. */
function post(name: string, { body, headers, query = '' }: SentDelivery): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { ...headers } };
    const sent = request(`${receiver.url}/webhooks/${name}${query}`, options, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
      });
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: JSON.parse(text) as Answered['body'],
        }),
      );
    });
    sent.on('error', reject).end(body);
  });
}

const NOW = (): number => Math.floor(Date.now() / 1_000);

function good(vendor: PresetVendor, text = '@agent review the login'): SentDelivery {
  return vendor.send(vendor.payload(text), { secret: vendor.secrets[1], seconds: NOW() });
}

/** The delivery with its signature or token changed; `undefined` removes it, a list sends it several times. */
function changed(
  { place }: PresetVendor,
  delivery: SentDelivery,
  change: (value: string) => string | readonly string[] | undefined,
): SentDelivery {
  const { body, headers, query } = delivery;
  if ('header' in place) {
    const { [place.header]: value = '', ...rest } = headers;
    const next = change(value);
    const entry = next === undefined ? {} : { [place.header]: next };
    return { body, headers: { ...rest, ...entry } as SentDelivery['headers'] };
  }
  if ('query' in place) {
    const params = new URLSearchParams(query);
    const values = [change(params.get(place.query) ?? '')].flat();
    params.delete(place.query);
    for (const value of values) if (value !== undefined) params.append(place.query, value as string);
    return { body, headers, query: `?${params}` };
  }
  if (headers['Content-Type'] === 'application/json') {
    const payload = JSON.parse(body) as Record<string, string>;
    const next = change(payload[place.field] ?? '');
    return { headers, body: JSON.stringify({ ...payload, [place.field]: next }) };
  }
  const params = new URLSearchParams(body);
  const values = [change(params.get(place.field) ?? '')].flat();
  params.delete(place.field);
  for (const value of values) if (value !== undefined) params.append(place.field, value as string);
  return { headers, body: params.toString() };
}

/** A token proves nothing about the body, and Mailgun signs neither the text nor its sender. */
const ANY_BODY = NAMES.filter((name) =>
  /^(?:gitlab-0|azure-devops|mattermost|mailgun|event-grid)-/.test(name),
);

type BadSignature = readonly [what: string, make: (vendor: PresetVendor) => SentDelivery, reason: RegExp];

const BAD: readonly BadSignature[] = [
  ['is missing', (v) => changed(v, good(v), () => undefined), /^missing_signature$/],
  ['is empty', (v) => changed(v, good(v), () => ''), /^(?:missing_signature|malformed_signature)$/],
  [
    'is cut short',
    (v) => changed(v, good(v), (s) => s.slice(0, -5)),
    /^(?:malformed_signature|wrong_token|wrong_signature)$/,
  ],
  [
    'is sent twice',
    (v) => changed(v, good(v), (s) => [s, s]),
    /^(?:malformed_signature|wrong_token|missing_signature)$/,
  ],
  [
    'has another letter in it',
    (v) => changed(v, good(v), flip),
    /^(?:wrong_signature|wrong_token|malformed_signature)$/,
  ],
  ['is of another form', (v) => changed(v, good(v), () => 'xyz'), /^(?:malformed_signature|wrong_token)$/],
  [
    'has 5,000 characters',
    (v) => changed(v, good(v), (s) => s.padEnd(5_000, '0')),
    /^(?:malformed_signature|wrong_token|wrong_signature)$/,
  ],
  [
    'is made with another secret',
    (v) => v.send(v.payload('@agent review'), { secret: v.secrets[2], seconds: NOW() }),
    /^(?:wrong_signature|wrong_token)$/,
  ],
];

/** Changes a character near the end: behind padding of base64, and behind a time or another scheme in a list. */
function flip(signature: string): string {
  const at = signature.length - 6;
  const next = signature[at] === '0' ? '1' : '0';
  return `${signature.slice(0, at)}${next}${signature.slice(at + 1)}`;
}

test('every preset is tested', () => {
  expect([...new Set(PRESET_VENDORS.map(({ preset }) => preset))].sort()).toEqual(
    [...WEBHOOK_PRESETS].sort(),
  );
});

describe.each(PRESET_VENDORS.map((vendor, index) => [NAMES[index] ?? '', vendor] as const))(
  '%s',
  (name, vendor) => {
    const reasons = async (): Promise<unknown[]> => {
      const lines = await readDeliveries(logDir);
      return lines
        .filter((line) => line.provider === name && line.outcome === 'rejected')
        .map((line) => line.reason);
    };

    test.each(['old', 'current'])(
      'a comment that is signed with the %s secret starts its command',
      async (which) => {
        const started = receiver.tasks.length;
        const secret = vendor.secrets[which === 'old' ? 0 : 1];
        const delivery = vendor.send(vendor.payload('@agent review the login'), { secret, seconds: NOW() });
        expect([200, 202]).toContain((await post(name, delivery)).status);
        expect(receiver.tasks.length).toBe(started + 1);
        expect(receiver.tasks.at(-1)).toMatchObject({
          provider: name,
          command: 'review',
          deliveryId: expect.any(String),
        });
        expect(receiver.tasks.at(-1)?.message).toContain('review the login');
        // The same delivery again.
        await post(name, delivery);
        expect(receiver.tasks.length).toBe(started + 1);
      },
    );

    test.each(BAD)('a signature that %s is refused', async (_what, make, reason) => {
      const started = receiver.tasks.length;
      const before = (await reasons()).length;
      const answer = await post(name, make(vendor));
      expect(answer).toMatchObject({ status: 401, body: { code: 'ERR_SIGNATURE_INVALID' } });
      expect(answer.headers['www-authenticate']).toBeUndefined();
      for (const secret of vendor.secrets) expect(JSON.stringify(answer)).not.toContain(secret);
      const added = await until(async () => {
        const all = await reasons();
        return all.length > before && all.slice(before);
      }, 'the line of the delivery');
      expect(added).toEqual([expect.stringMatching(reason)]);
      expect(receiver.tasks.length).toBe(started);
    });

    test.runIf(vendor.hasTime).each([
      ['an hour before', -3_600],
      ['an hour after', 3_600],
    ])(
      'a delivery of %s this machine’s time is stale, although its signature is right',
      async (_what, away) => {
        const started = receiver.tasks.length;
        const delivery = vendor.send(vendor.payload('@agent review'), {
          secret: vendor.secrets[1],
          seconds: NOW() + away,
        });
        const answer = await post(name, delivery);
        expect(answer).toMatchObject({ status: 401, body: { detail: expect.stringContaining('stale') } });
        expect(receiver.tasks.length).toBe(started);
      },
    );

    test.each(Object.entries(vendor.silent))('%s starts nothing', async (_what, make) => {
      const started = receiver.tasks.length;
      const delivery = vendor.send(make('@agent review'), { secret: vendor.secrets[1], seconds: NOW() });
      const answer = await post(name, delivery);
      expect(answer.status).toBe(200);
      expect(receiver.tasks.length).toBe(started);
    });

    test.skipIf(ANY_BODY.includes(name))('a signature does not fit another body', async () => {
      const { body, ...rest } = good(vendor);
      const answer = await post(name, { ...rest, body: body.replace('the login', 'the logout') });
      expect(answer.status).toBe(401);
    });
  },
);
