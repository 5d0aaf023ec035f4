// `npm run images:pin`: writes the digest of each image into docker-compose.yml and the Dockerfile, as the registry gives it
// for the tag. `npm run images:check` only compares, and fails when a digest is another one or the registry is not reachable.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** `image: name:tag@digest` and `FROM name:tag@digest`; an image of this checkout has no version. */
const IMAGE = /((?:^\s*image: |^FROM ))([a-z0-9./-]+):(v?\d[\w.-]*)(?:@(sha256:[0-9a-f]{64}))?/gm;

const TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/** Digest of the index of all platforms. `registry` and `auth` are addresses, for tests. */
export async function digestOf(
  name,
  tag,
  { registry = 'https://registry-1.docker.io', auth = 'https://auth.docker.io' } = {},
) {
  const repository = name.includes('/') ? name : `library/${name}`;
  const scope = `repository:${repository}:pull`;
  const { token } = await json(`${auth}/token?service=registry.docker.io&scope=${encodeURIComponent(scope)}`);
  const answer = await fetch(`${registry}/v2/${repository}/manifests/${tag}`, {
    method: 'HEAD',
    headers: { accept: TYPES, authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(30_000),
  });
  const digest = answer.headers.get('docker-content-digest') ?? '';
  if (!answer.ok || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new Error(`${name}:${tag}: the registry answers ${answer.status} and no digest`);
  return digest;
}

async function json(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

/** The text with current digests, and a line for each that was another one. */
export async function pin(text, places) {
  const changes = [];
  const digests = new Map();
  for (const [, , name, tag] of text.matchAll(IMAGE)) {
    const key = `${name}:${tag}`;
    if (!digests.has(key)) digests.set(key, await digestOf(name, tag, places));
  }
  const pinned = text.replace(IMAGE, (_, start, name, tag, before) => {
    const digest = digests.get(`${name}:${tag}`);
    if (before !== digest) changes.push(`${name}:${tag}: ${before ?? 'no digest'} -> ${digest}`);
    return `${start}${name}:${tag}@${digest}`;
  });
  return { pinned, changes };
}

async function main(isCheck) {
  let found = 0;
  for (const file of ['docker-compose.yml', 'Dockerfile']) {
    const { pinned, changes } = await pin(readFileSync(file, 'utf8'));
    for (const change of changes) console.log(`${file}: ${change}`);
    found += changes.length;
    if (!isCheck) writeFileSync(file, pinned);
  }
  if (found === 0) console.log('all digests are those of the registry');
  else if (isCheck) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await main(process.argv.includes('--check'));
