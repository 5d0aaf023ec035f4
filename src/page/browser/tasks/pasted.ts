/** What people paste into the search box. */

const TASK_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Of an address of this page, or of the API, the path on the page; of a task's id its run. Undefined for a query. */
export function addressOf(text: string): string | undefined {
  const pasted = text.trim();
  if (/^task-[0-9a-z]{26}$/.test(pasted)) return `/tasks/${pasted}`;
  if (!/^https?:\/\//.test(pasted) || !URL.canParse(pasted)) return undefined;
  const url = new URL(pasted);
  if (url.origin !== location.origin) return undefined;
  const [kind, id] = /\/(tasks|workflows)\/([^/]+)/.exec(url.pathname)?.slice(1) ?? [];
  return kind !== undefined && id !== undefined && TASK_ID.test(id) ? `/${kind}/${id}` : undefined;
}
