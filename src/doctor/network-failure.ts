import { errnoOf, messageOf } from '../errors.ts';
import { firstOfText } from '../model/text.ts';

/** Why a request got no answer, and in which phase it failed. */
export interface NetworkFailure {
  readonly phase: 'lookup' | 'connect' | 'answer';
  /** Undefined for a timeout. */
  readonly error: unknown;
}

export interface Explanation {
  readonly what: string;
  readonly advice: string;
}

interface ExplainOptions {
  readonly host: string;
  /** The variable that names the CA certificate for the server. */
  readonly certificateSetting: string;
}

type Explain = (options: ExplainOptions) => Explanation;

const untrusted: Explain = ({ certificateSetting }) => ({
  what: 'its certificate is not trusted: this machine does not know the authority that signed it',
  advice: `set ${certificateSetting} to the PEM file of that authority`,
});

const unreachable: Explain = ({ host }) => ({
  what: `${host} is not reachable from here`,
  advice: 'check the network and the address',
});

const clientCertificate: Explain = () => ({
  what: 'it refuses the TLS connection; it may require a client certificate',
  advice: 'if so, set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY',
});

const unknownName: Explain = ({ host }) => ({
  what: `no name server knows ${host}`,
  advice:
    'correct the name; in a container, use the name of the service: "localhost" is the container itself',
});

const noNameServer: Explain = ({ host }) => ({
  what: `no name server answers for ${host}`,
  advice: 'check the network and the name servers of this machine, or use an IP address',
});

/** By error code of Node and OpenSSL: the failures that a user can fix. */
const KNOWN: ReadonlyMap<string, Explain> = new Map([
  [
    'ECONNREFUSED',
    () => ({
      what: 'nothing listens there',
      advice: 'start it, or correct the address; in a container, "localhost" is the container itself',
    }),
  ],
  ['ENOTFOUND', unknownName],
  ['EAI_AGAIN', noNameServer],
  ['EHOSTUNREACH', unreachable],
  ['ENETUNREACH', unreachable],
  ['ETIMEDOUT', unreachable],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', untrusted],
  ['SELF_SIGNED_CERT_IN_CHAIN', untrusted],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT', untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', untrusted],
  ['CERT_HAS_EXPIRED', () => ({ what: 'its certificate has expired', advice: 'renew it on the server' })],
  [
    'CERT_NOT_YET_VALID',
    () => ({
      what: 'its certificate is not valid yet',
      advice: 'check the clock of this machine and the certificate',
    }),
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ({ host }) => ({
      what: `its certificate is not for the name ${host}`,
      advice: 'use a name that is in the certificate, or add this name to it',
    }),
  ],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', clientCertificate],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', clientCertificate],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', clientCertificate],
]);

/** Messages of servers and of OpenSSL can be long. */
const MESSAGE_CHARS_MAX = 160;

export function explainFailure({ phase, error }: NetworkFailure, options: ExplainOptions): Explanation {
  if (error === undefined) return explainSilence(phase, options);
  const known = KNOWN.get(errnoOf(error) ?? '');
  if (known !== undefined) return known(options);
  const message = firstOfText(messageOf(error).replaceAll(/\s+/g, ' ').trim(), MESSAGE_CHARS_MAX);
  return { what: `no answer: ${message}`, advice: 'check the program that listens there, and the address' };
}

/** Whether a server answered with something other than HTTP, or not at all: it may speak another protocol. */
export function isProtocolMismatch({ phase, error }: NetworkFailure): boolean {
  if (error === undefined) return phase === 'answer';
  const errno = errnoOf(error) ?? '';
  return /^(?:HPE_|ERR_SSL_|EPROTO$|ECONNRESET$|EPIPE$)/.test(errno) && !KNOWN.has(errno);
}

function explainSilence(phase: NetworkFailure['phase'], { host }: ExplainOptions): Explanation {
  if (phase === 'answer') {
    return {
      what: 'a program listens there and does not answer in time',
      advice: 'check whether it hangs or is overloaded, and whether it is the right program',
    };
  }
  if (phase === 'lookup') return noNameServer({ host, certificateSetting: '' });
  return {
    what: `${host} does not accept a connection in time`,
    advice: 'check the address and the firewalls, which may drop packets silently',
  };
}
