/** Pages of two mounts have logins of their own. */
const NAME = `tasktrail-page-key ${new URL(document.baseURI).pathname}`;

/** Of the login; kept where no server but this one reads it, port included. Without the cookie it opens nothing. */
export function pageKey(): string | undefined {
  try {
    return localStorage.getItem(NAME) ?? undefined;
  } catch {
    // SecurityError: the browser keeps nothing for this page.
    return undefined;
  }
}

export function keepPageKey(key: string): void {
  try {
    localStorage.setItem(NAME, key);
  } catch {
    // The page reads, and asks for the token before it changes something.
  }
}
