/** What people paste into the search box. */

/** A path of this page, or queries, the best first: the first one that finds tasks counts. */
export type Pasted = { readonly address: string } | { readonly searches: readonly string[] };

const TASK = /^task-[0-9a-z]{26}$/;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const TRACE = /^[0-9a-f]{32}$/i;

/** W3C Trace Context. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/i;

/** Of Jira and Linear. */
const ISSUE_KEY = /^[A-Z][A-Z0-9_]{1,20}-\d{1,10}$/;
const NUMBER = /^\d{1,15}$/;
const COMMIT = /^[0-9a-f]{7,64}$/i;

/** Parts of paths behind which the number of an issue or its like stands: GitHub, Gitea, GitLab, Bitbucket. */
const NUMBERED: ReadonlySet<string> = new Set([
  'issues',
  'pull',
  'pulls',
  'discussions',
  'merge_requests',
  'pull-requests',
  'work_items',
]);

/** The fragment of a comment, by GitHub, Gitea, GitLab and Bitbucket. */
const COMMENT =
  /^(?:issuecomment-|discussion_r|r|pullrequestreview-|discussioncomment-|commitcomment-|note_|comment-)(\d{1,20})$/;

/** Digits of a commit that agents and people write. */
const SHORT_COMMIT = 7;

/** What a text is that was pasted; undefined for a query. `origin` is that of this page. */
export function pastedIn(text: string, origin: string): Pasted | undefined {
  const pasted = text.trim();
  if (TASK.test(pasted)) return { address: `/tasks/${pasted}` };
  const trace = TRACE.test(pasted) ? pasted : TRACEPARENT.exec(pasted)?.[1];
  if (trace !== undefined) return { searches: [`trace:${trace}`, quoted(trace)] };
  if (ISSUE_KEY.test(pasted)) return { searches: [`issue:${pasted}`, pasted] };
  if (!/^https?:\/\/\S+$/.test(pasted) || !URL.canParse(pasted)) return undefined;
  const url = new URL(pasted);
  const own = url.origin === origin ? ownAddress(url) : undefined;
  return own ?? { searches: [...new Set([...searchesOf(url), quoted(pasted)])] };
}

/** Of an address of this page, or of the API, the path on the page. */
function ownAddress({ pathname }: URL): Pasted | undefined {
  const [kind, id] = /\/(tasks|workflows)\/([^/]+)/.exec(pathname)?.slice(1) ?? [];
  return kind !== undefined && id !== undefined && ID.test(id) ? { address: `/${kind}/${id}` } : undefined;
}

function searchesOf(url: URL): readonly string[] {
  const parts = url.pathname.split('/').filter((part) => part !== '' && part !== '-');
  return (
    numberedSearches(url, parts) ??
    commitSearches(url, parts) ??
    keySearches(url, parts) ?? [
      ...parts.filter((part) => TRACE.test(part)).map((part) => `trace:${part}`),
      `url:${quoted(url.href)}`,
      ...(url.hostname === 'github.com' && parts.length === 2 ? [`repo:${quoted(parts.join('/'))}`] : []),
    ]
  );
}

/** `/acme/app/issues/42#issuecomment-7`. */
function numberedSearches(url: URL, parts: readonly string[]): readonly string[] | undefined {
  const at = parts.findIndex((part, index) => index >= 2 && NUMBERED.has(part));
  const number = parts[at + 1];
  if (at < 0 || number === undefined || !NUMBER.test(number)) return undefined;
  const repo = `repo:${quoted(parts.slice(0, at).join('/'))}`;
  const comment = commentOf(url);
  const page = url.pathname.slice(0, url.pathname.indexOf(`/${parts[at]}/${number}`));
  return [
    ...(comment === undefined ? [] : [`${repo} comment_id:${comment}`]),
    `${repo} issue:${number}`,
    // What an agent has opened or read.
    quoted(`${url.origin}${page}/${parts[at]}/${number}`),
  ];
}

/** `/acme/app/commit/0a1b2c3d`. */
function commitSearches(url: URL, parts: readonly string[]): readonly string[] | undefined {
  const at = parts.findIndex((part, index) => index >= 2 && (part === 'commit' || part === 'commits'));
  const commit = parts[at + 1];
  if (at < 0 || commit === undefined || !COMMIT.test(commit)) return undefined;
  const repo = `repo:${quoted(parts.slice(0, at).join('/'))}`;
  const comment = commentOf(url);
  return [
    ...(comment === undefined ? [] : [`${repo} comment_id:${comment}`]),
    `url:${url.origin}${url.pathname}*`,
    `${commit.slice(0, SHORT_COMMIT).toLowerCase()}*`,
  ];
}

/** `/browse/APP-7?focusedCommentId=1`, a board with `selectedIssue=APP-7`, `/acme/issue/ENG-7/title`. */
function keySearches(url: URL, parts: readonly string[]): readonly string[] | undefined {
  const behind = parts.findIndex((part) => part === 'browse' || part === 'issue');
  const key = [url.searchParams.get('selectedIssue'), behind < 0 ? undefined : parts[behind + 1]].find(
    (one) => one !== null && one !== undefined && ISSUE_KEY.test(one),
  );
  if (key === undefined || key === null) return undefined;
  const comment = url.searchParams.get('focusedCommentId') ?? '';
  const focused = NUMBER.test(comment) ? [`issue:${key} comment_id:${comment}`] : [];
  return [...focused, `issue:${key}`, quoted(key)];
}

function commentOf({ hash }: URL): string | undefined {
  return COMMENT.exec(hash.slice(1))?.[1];
}

/** A quote cannot stand in a phrase; addresses have none. */
function quoted(text: string): string {
  return `"${text.replaceAll('"', '')}"`;
}
