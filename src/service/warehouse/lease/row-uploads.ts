import { type Archive, startArchive } from '../../../archive/archive.ts';
import { objectKey } from '../../../archive/object-key.ts';
import type { Books } from '../../../books.ts';
import type { Config } from '../../../config/config.ts';
import { TasktrailError } from '../../../errors.ts';
import { type JsonObject, parseObject } from '../../../model/json.ts';
import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import { filedMonth, nearTime } from '../../../store/workflow-place.ts';
import type { WorkflowCatalog } from '../../../warehouse/read/workflow-catalog.ts';
import type { Term } from './redis-lease.ts';

export interface RowUploadsParts {
  readonly config: Config;
  readonly books: Books;
  readonly workflows: WorkflowCatalog;
  readonly link: RedisLink;
  readonly prefix: string;
  log(line: string): void;
}

/** The upload of documents of workflows for one term of the lease. */
export interface RowUploads {
  /** Resolves when Redis knows that the document is to be uploaded. */
  add(workflowId: string): Promise<void>;
  close(deadlineMs: number): Promise<void>;
}

/** So long the mark of an upload is kept: as the objects, it says something also when the rows are gone. */
const MARK_MS: number = 400 * 86_400_000;

const KEEP = "return redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])";

function uploadKey(prefix: string, workflowId: string): string {
  return `${prefix}uploaded ${workflowId}`;
}

/** The mark of the last upload; null: there was none. Undefined while Redis is away. */
export async function readUploadMark(
  { link, prefix }: Pick<RowUploadsParts, 'link' | 'prefix'>,
  workflowId: string,
): Promise<JsonObject | null | undefined> {
  if (link.problem !== undefined) return undefined;
  try {
    const text = await link.ask(() => link.client.get(uploadKey(prefix, workflowId)));
    return parseObject(text ?? undefined) ?? null;
  } catch {
    // ERR_QUEUE_UNAVAILABLE: the link reports it.
    return undefined;
  }
}

/** Undefined without a bucket. */
export function startRowUploads(term: Term, parts: RowUploadsParts): RowUploads | undefined {
  const { books, workflows, link, log } = parts;
  const { s3 } = parts.config;
  if (s3 === undefined) return undefined;
  /** Ids of workflows whose document may not be in S3. */
  const key = `${parts.prefix}uploads`;
  const archive: Archive = startArchive({
    config: s3,
    // The others go on, and this service stores what it is sent.
    books: {
      setReason: (part, reason) => books.setNotice(`${part} uploads`, reason),
      setNotice: (part, notice) => books.setNotice(part, notice),
    },
    outbox: {
      pending: () => link.ask(() => link.client.smembers(key)),
      read: async (id) => {
        if (!(await term.confirm()))
          throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'it is not known which service holds the lease', {
            retryable: true,
          });
        const [document, folded] = [(await workflows.read(id))?.document, await workflows.folded(id)];
        const lines = [...(folded?.lines ?? [])].sort((a, b) => (a.arrived < b.arrived ? -1 : 1));
        const [first] = lines;
        if (document === undefined || first === undefined) return undefined;
        const filed = filedMonth(id, nearTime(timestampOf(first.at), Date.parse(first.arrived)));
        return { document, key: objectKey(s3.prefix, id, filed) };
      },
      markVerified: async (id, mark) => {
        const { bucket, key: object, revision, verified_at } = mark;
        const text = JSON.stringify({ bucket, key: object, revision, verified_at });
        await term.run(KEEP, [uploadKey(parts.prefix, id)], [text, String(MARK_MS)]);
        const current = (await workflows.read(id))?.document?.revision;
        if (current === undefined || current === revision)
          await term.run("return redis.call('SREM', KEYS[2], ARGV[2])", [key], [id]);
      },
    },
    log,
  });
  return {
    add: async (id) => {
      await term.run("return redis.call('SADD', KEYS[2], ARGV[2])", [key], [id]);
      archive.notify(id);
    },
    close: async (deadlineMs) => {
      await archive.close(deadlineMs);
      for (const part of ['s3', 's3 uploads', 's3 list uploads']) books.setNotice(part, undefined);
    },
  };
}

function timestampOf(ms: number): string {
  return new Date(ms).toISOString();
}
