export interface SignedMessage {
  readonly webhookId: string;
  readonly payload: string;
  readonly at: Date;
}

/** The headers of one try. While one secret replaces another, there is a signature of each. */
export async function signedHeaders(
  secrets: readonly string[],
  { webhookId, payload, at }: SignedMessage,
): Promise<Readonly<Record<string, string>>> {
  const { Webhook } = await import('standardwebhooks');
  const signatures = secrets.map((secret) => new Webhook(secret).sign(webhookId, at, payload));
  return {
    'webhook-id': webhookId,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': signatures.join(' '),
  };
}
