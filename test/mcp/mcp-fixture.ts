import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { onTestFinished } from 'vitest';
import type { McpReader } from '../../src/mcp/mcp-reader.ts';
import { type ServeMcpOptions, serveMcp } from '../../src/mcp/serve-mcp.ts';
import type { HttpHandler } from '../../src/serve/routes.ts';
import { searchingReader } from '../../src/trail/search/searching-reader.ts';
import { listen, tempDir } from '../serve/log-server.ts';

/** A directory with its reader, as `tasktrail mcp` reads it. */
export async function openDirectory(): Promise<{ readonly dir: string; readonly reader: McpReader }> {
  const dir = await tempDir();
  return { dir, reader: readerOf(dir) };
}

export function readerOf(dir: string): McpReader {
  return searchingReader({ logDir: dir, workflowDir: `${dir}/_workflow`, s3: undefined });
}

export function handlerOf(reader: McpReader, options: Partial<ServeMcpOptions> = {}): HttpHandler {
  return serveMcp({
    reader,
    version: '1.2.3',
    readHealth: async () => ({ status: 'ready' }),
    onError: (error) => {
      throw error;
    },
    ...options,
  });
}

export interface ToolAnswer {
  readonly text: string;
  readonly isError: boolean;
}

/** A client of the SDK that is connected until the test is over. */
export async function connectClient(
  port: number,
  how: { readonly token?: string; readonly path?: string; readonly mode?: 'legacy' | 'auto' } = {},
): Promise<Client> {
  const { token, path = '/mcp', mode = 'legacy' } = how;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}${path}`), {
    requestInit: { headers },
  });
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  onTestFinished(() => client.close());
  await client.connect(transport);
  return client;
}

export async function callTool(client: Client, name: string, given: object = {}): Promise<ToolAnswer> {
  const { content, isError = false } = await client.callTool({ name, arguments: { ...given } });
  const [first] = content;
  if (content.length !== 1 || first?.type !== 'text') throw new Error('the answer is not one text');
  return { text: first.text, isError };
}

/** Serves a directory on a free port until the test is over. */
export async function serveDirectory(dir: string, options: Partial<ServeMcpOptions> = {}): Promise<number> {
  return listen(handlerOf(readerOf(dir), options));
}

/** The rows of an answer, and what stands around them. */
export function partsOf(text: string): {
  readonly rows: readonly Record<string, unknown>[];
  readonly mark: string;
  readonly around: string;
} {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => /^<recorded-data [0-9a-f]{18}>$/.test(line));
  const mark = /[0-9a-f]{18}/.exec(lines[start] ?? '')?.[0] ?? '';
  const end = lines.indexOf(`</recorded-data ${mark}>`);
  if (start < 0 || end < start) throw new Error(`there is no recorded part in ${text.slice(0, 500)}`);
  return {
    rows: lines.slice(start + 1, end).map((line) => JSON.parse(line) as Record<string, unknown>),
    mark,
    around: [...lines.slice(0, start), ...lines.slice(end + 1)].join('\n'),
  };
}
