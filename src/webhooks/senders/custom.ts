import { checkAuthenticity, type SignedRequest, signedContent } from '../custom/authenticity.ts';
import { parseBody } from '../custom/body-shape.ts';
import { compileSender, type Sender } from '../custom/compiled-sender.ts';
import { identityIn, readEvents } from '../custom/read-events.ts';
import type { CustomOptions } from '../custom/sender-options.ts';
import { weakSecrets } from '../custom/weak-secrets.ts';
import type { Provider, WebhookRequestBody } from '../provider.ts';
import { type Refusal, RejectedDelivery } from '../rejection.ts';

export type { CustomOptions } from '../custom/sender-options.ts';

/** Far more than notifications of build servers and trackers need. */
const BODY_BYTES_MAX = 5_242_880;

/** Throws `TypeError` for options that cannot work. */
export function createCustom(name: string, options: CustomOptions, trigger: string): Provider {
  const sender = compileSender(name, options);
  return {
    name,
    setting: `webhooks.${name}.secret`,
    secrets: sender.secrets,
    weaknesses: weakSecrets(sender),
    bodyBytesMax: sender.options.bodyBytesMax ?? BODY_BYTES_MAX,
    identify: (headers) => identityIn(sender, headers),
    verify: async (request) => verify(sender, request),
    read: (request) =>
      readEvents(
        sender,
        { ...request, signed: signedContent(sender.schemes, signedRequest(sender, request)) },
        trigger,
      ),
    handshakes: sender.options.handshake?.methods,
  };
}

function verify(sender: Sender, request: WebhookRequestBody): Refusal | undefined {
  return checkAuthenticity(sender.schemes, signedRequest(sender, request));
}

function signedRequest(sender: Sender, request: WebhookRequestBody): SignedRequest {
  let parsed: { readonly value: unknown } | undefined;
  const payload = (): unknown => {
    parsed ??= { value: unverifiedPayload(request) };
    return parsed.value;
  };
  const { deliveryId } = identityIn(sender, request.headers);
  return { ...request, payload, deliveryId };
}

/** A body that cannot be parsed holds neither a signature nor a time. */
function unverifiedPayload(request: WebhookRequestBody): unknown {
  try {
    return parseBody(request, { isList: true });
  } catch (error) {
    if (error instanceof RejectedDelivery) return undefined;
    throw error;
  }
}
