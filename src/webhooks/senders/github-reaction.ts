import { messageOf } from '../../errors.ts';

export interface ReactionOptions {
  readonly token: string | undefined;
  /** Default `https://api.github.com`. */
  readonly apiUrl?: string | undefined;
}

/** The result of the acknowledgement, as the fields of the stage `immediate_response`. */
export interface ReactionResult {
  readonly action: 'reaction';
  readonly status: 'sent' | 'skipped' | 'failed';
  readonly success: boolean;
  readonly reason?: string;
}

/** The answer to the webhook waits for this, and GitHub gives up after 10 s. */
const TIMEOUT_MS = 2_000;

/** Adds an `eyes` reaction to the comment or issue. Never throws: the task does not depend on it. */
export async function sendReaction(
  path: string | undefined,
  options: ReactionOptions,
): Promise<ReactionResult> {
  if (options.token === undefined) return skipped('no GITHUB_TOKEN is set');
  if (path === undefined) return skipped('this event takes no reaction');
  try {
    const response = await fetch(`${options.apiUrl ?? 'https://api.github.com'}${path}`, {
      method: 'POST',
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${options.token}`,
        'content-type': 'application/json',
        'user-agent': 'tasktrail',
      },
      body: JSON.stringify({ content: 'eyes' }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return { action: 'reaction', status: 'sent', success: true };
    return failed(`GitHub answered ${response.status}`);
  } catch (error) {
    return failed(messageOf(error));
  }
}

function skipped(reason: string): ReactionResult {
  return { action: 'reaction', status: 'skipped', success: false, reason };
}

function failed(reason: string): ReactionResult {
  return { action: 'reaction', status: 'failed', success: false, reason };
}
