import { createPublicKey, type KeyObject } from 'node:crypto';

/** Standard Webhooks, "Signature scheme": prefixes of a symmetric and of a public key. */
const KEY_PREFIX = /^wh(?:sec|pk)_/;
const HEX = /^(?:[0-9a-fA-F]{2})+$/;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** RFC 8410, 4: the fixed bytes before an Ed25519 public key in its DER form. */
const ED25519_DER = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519_BYTES = 32;

/** The bytes of an HMAC key; undefined when the secret is not written in this encoding. */
export function hmacKeyOf(secret: string, encoding: 'utf8' | 'base64' | 'hex'): Buffer | undefined {
  if (encoding === 'utf8') return Buffer.from(secret, 'utf8');
  const text = encoding === 'base64' ? secret.replace(KEY_PREFIX, '') : secret;
  const key = (encoding === 'hex' ? HEX : BASE64).test(text) ? Buffer.from(text, encoding) : undefined;
  // One character of base64 holds no byte: and every sender knows the empty key.
  return key?.length === 0 ? undefined : key;
}

/** An Ed25519 public key as hex, base64 (also with `whpk_`) or PEM. */
export function publicKeyOf(secret: string): KeyObject | undefined {
  if (secret.includes('-----BEGIN')) return pemKeyOf(secret);
  const text = secret.replace(KEY_PREFIX, '');
  const bytes = HEX.test(text) && text.length === 2 * ED25519_BYTES ? Buffer.from(text, 'hex') : base64(text);
  if (bytes?.length !== ED25519_BYTES) return undefined;
  return createPublicKey({ key: Buffer.concat([ED25519_DER, bytes]), format: 'der', type: 'spki' });
}

function base64(text: string): Buffer | undefined {
  return BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
}

function pemKeyOf(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    // Not a key: OpenSSL has many errors for that.
    return undefined;
  }
}
