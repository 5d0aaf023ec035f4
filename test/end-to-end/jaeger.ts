import { resolve } from 'node:path';
import { freeAddress } from '../support/free-port.ts';
import type { StoredSpan } from '../support/receiver.ts';
import { answersOk, ServerProcess } from '../support/server-process.ts';
import { findTool, pathOf } from '../support/tool.ts';

/** A Jaeger process with traces in memory, which a kill loses. */
export interface Jaeger {
  readonly server: ServerProcess;
  /** Address of the API and the UI. */
  readonly url: string;
  /** OTLP over HTTP. */
  readonly otlpUrl: string;
  /** OTLP over gRPC, as host:port. */
  readonly grpc: string;
}

const FOLDER: string = resolve(import.meta.dirname, '../../collector');

export async function startJaeger(config: string = resolve(FOLDER, 'jaeger.yaml')): Promise<Jaeger> {
  const [url, http, grpc, queryGrpc, health] = [
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
  ];
  const values = {
    'extensions::jaeger_query::http::endpoint': url,
    'extensions::jaeger_query::grpc::endpoint': queryGrpc,
    'extensions::healthcheckv2::http::endpoint': health,
    'receivers::otlp::protocols::http::endpoint': http,
    'receivers::otlp::protocols::grpc::endpoint': grpc,
  };
  const server = await ServerProcess.start({
    name: 'jaeger',
    command: pathOf(findTool('jaeger')),
    args: ['--config', config, ...Object.entries(values).map(([path, value]) => `--set=${path}=${value}`)],
    env: { JAEGER_UI_CONFIG: resolve(FOLDER, 'jaeger-ui.json') },
    isReady: async () => (await answersOk(`http://${url}/`)) && (await answersOk(`http://${health}/status`)),
  });
  return { server, url: `http://${url}`, otlpUrl: `http://${http}`, grpc };
}

/** A span from Jaeger's API, with the name of its service. */
export interface JaegerSpan extends StoredSpan {
  readonly serviceName: string;
}

/** The spans of a trace in Jaeger's order; empty if the trace is unknown. */
export async function traceOf(jaegerUrl: string, traceId: string): Promise<JaegerSpan[]> {
  const response = await fetch(`${jaegerUrl}/api/v3/traces/${traceId}`);
  const text = await response.text();
  if (response.status === 404) return [];
  if (!response.ok) throw new Error(`Jaeger: ${response.status} ${text}`);
  // The response is an OTLP message; only these fields are used.
  const { result } = JSON.parse(text) as { result: { resourceSpans: readonly ResourceSpans[] } };
  return result.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const name = resource.attributes.find(({ key }) => key === 'service.name')?.value;
    const serviceName = String(name?.stringValue ?? '');
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ ...span, attributes: span.attributes ?? [], serviceName })),
    );
  });
}

interface ResourceSpans {
  readonly resource: Pick<StoredSpan, 'attributes'>;
  readonly scopeSpans: readonly { readonly spans: readonly StoredSpan[] }[];
}
