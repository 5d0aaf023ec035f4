// `npm run sbom`: prints a CycloneDX bill of materials of what production installs. `npm sbom --omit=dev` leaves out packages
// that development uses as well, so this takes the whole list and keeps what the lockfile does not mark as development's own.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const { status, stdout, stderr, error } = spawnSync(
  'npm',
  ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'],
  { encoding: 'utf8', maxBuffer: 64 * 1_048_576 },
);
if (status !== 0) {
  console.error(error?.message ?? stderr);
  process.exit(1);
}
const bom = JSON.parse(stdout);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const kept = new Set();
for (const [path, { name, version, dev }] of Object.entries(packages))
  if (path !== '' && dev !== true) kept.add(`${name ?? path.replace(/^.*node_modules\//, '')}@${version}`);
const component = bom.metadata.component;
// npm takes the name of the folder.
component.name = JSON.parse(readFileSync('package.json', 'utf8')).name;
bom.components = bom.components.filter(({ purl }) =>
  kept.has(decodeURIComponent(purl.replace(/^pkg:npm\//, '').replace(/\?.*$/, ''))),
);
const refs = new Set([component['bom-ref'], ...bom.components.map((one) => one['bom-ref'])]);
bom.dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));
console.log(JSON.stringify(bom, null, 2));
