/** The parameters of a request: what stands behind the first `?` of its URL. A value may contain another one. */
export function parametersOf(url: string = ''): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}
