import { errnoOf, messageOf } from '../errors.ts';

/** Why there is no answer, and how far it got. */
export interface NetworkFailure {
  readonly phase: 'lookup' | 'connect' | 'answer';
  /** Undefined: the time was over. */
  readonly error: unknown;
}

export interface Explanation {
  readonly what: string;
  readonly advice: string;
}

interface ExplainOptions {
  readonly host: string;
  /** The variable that names the certificate of whoever signed the server's. */
  readonly certificateSetting: string;
}

type Explain = (options: ExplainOptions) => Explanation;

const untrusted: Explain = ({ certificateSetting }) => ({
  what: 'its certificate is not trusted: it is signed by nobody that this machine knows',
  advice: `set ${certificateSetting} to the file (PEM) of whoever signed it`,
});

const unreachable: Explain = ({ host }) => ({
  what: `there is no way to ${host} from here`,
  advice: 'check the network, and the address',
});

const clientCertificate: Explain = () => ({
  what: 'it refuses the TLS connection; it may want a certificate of ours',
  advice: 'set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY, if it does',
});

const unknownName: Explain = ({ host }) => ({
  what: `no name server knows ${host}`,
  advice: 'correct the name; in a container, "localhost" is the container, and a service has its own name',
});

const noNameServer: Explain = ({ host }) => ({
  what: `no name server answers for ${host}`,
  advice: 'check the network and the name servers of this machine, or use an IP address',
});

/** What Node and OpenSSL call the failures that somebody can mend. */
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
  ['CERT_HAS_EXPIRED', () => ({ what: 'its certificate has expired', advice: 'renew it, on the server' })],
  [
    'CERT_NOT_YET_VALID',
    () => ({
      what: 'its certificate is not valid yet',
      advice: 'check the clock of this machine, and the certificate',
    }),
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ({ host }) => ({
      what: `its certificate is not for the name ${host}`,
      advice: 'use a name that is in the certificate, or add this one to it',
    }),
  ],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', clientCertificate],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', clientCertificate],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', clientCertificate],
]);

/** A server's words, or OpenSSL's, can be long. */
const MESSAGE_CHARS_MAX = 160;

export function explainFailure({ phase, error }: NetworkFailure, options: ExplainOptions): Explanation {
  if (error === undefined) return explainSilence(phase, options);
  const known = KNOWN.get(errnoOf(error) ?? '');
  if (known !== undefined) return known(options);
  const message = messageOf(error).replaceAll(/\s+/g, ' ').trim().slice(0, MESSAGE_CHARS_MAX);
  return { what: `no answer: ${message}`, advice: 'check what listens there, and the address' };
}

/** Whether somebody is there, and what came was no answer: perhaps another protocol is spoken there. */
export function isGibberish({ phase, error }: NetworkFailure): boolean {
  if (error === undefined) return phase === 'answer';
  const errno = errnoOf(error) ?? '';
  return /^(?:HPE_|ERR_SSL_|EPROTO$|ECONNRESET$|EPIPE$)/.test(errno) && !KNOWN.has(errno);
}

function explainSilence(phase: NetworkFailure['phase'], { host }: ExplainOptions): Explanation {
  if (phase === 'answer') {
    return {
      what: 'something listens there and does not answer in time',
      advice: 'look whether it hangs or is overloaded, and whether it is what it should be',
    };
  }
  if (phase === 'lookup') return noNameServer({ host, certificateSetting: '' });
  return {
    what: `${host} does not answer in time, not even to a connection`,
    advice: 'check the address, and firewalls on the way, which drop silently',
  };
}
