import type { Rule } from './rule.ts';

const ALNUM = '[A-Za-z0-9]';
const URL64 = '[A-Za-z0-9_-]';
const HEX = '[a-f0-9]';
const UUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;

/** Databases, analytics, switches of features, incidents and networks. */
export const DATA_RULES: readonly Rule[] = [
  // Databases
  { kind: 'neon-key', hints: ['napi_'], body: `${ALNUM}{40,}` },
  { kind: 'neon-password', hints: ['npg_'], body: `${ALNUM}{12,}` },
  { kind: 'aiven-password', hints: ['AVNS_'], body: `${URL64}{15,}`, anywhere: true },
  { kind: 'xata-key', hints: ['xau_'], body: `${ALNUM}{28,}` },
  { kind: 'datastax-token', hints: ['AstraCS:'], body: `${ALNUM}{20,}:${HEX}{64}`, anywhere: true },
  { kind: 'mongodb-secret', hints: ['mdb_sa_sk_'], body: `${URL64}{30,}`, anywhere: true },
  { kind: 'cockroach-key', hints: ['CCDB1_'], body: `[A-Za-z0-9_]{40,}`, anywhere: true },
  {
    kind: 'clickhouse-key',
    hints: ['4b1d[A-Za-z0-9]'],
    body: `(?=[a-z0-9]{0,36}[A-Z])${ALNUM}{37}(?!${ALNUM})`,
  },
  {
    kind: 'confluent-secret',
    hints: ['cflt[A-Za-z0-9+/]'],
    body: `(?=[a-z]{0,58}[A-Z0-9+/])[A-Za-z0-9+/]{59}(?![A-Za-z0-9+/])`,
  },
  { kind: 'elastic-key', hints: ['essu_'], body: `[A-Za-z0-9+/=_-]{40,}`, anywhere: true },
  { kind: 'materialize-password', hints: ['mzp_'], body: `${HEX}{64}` },
  { kind: 'weaviate-key', hints: ['wvt_'], body: `${ALNUM}{32,}` },
  {
    kind: 'convex-key',
    hints: ['prod:[a-z]', 'dev:[a-z]', 'preview:[a-z]'],
    body: `[a-z]{2,12}-[a-z]{2,12}-[0-9]{1,4}\\|[A-Za-z0-9+/=]{40,}`,
  },
  // Analytics
  { kind: 'dbt-token', hints: ['dbtc_', 'dbtu_'], body: `${URL64}{30,}` },
  { kind: 'hex-token', hints: ['hxtp_', 'hxtw_'], body: `${HEX}{64,}` },
  { kind: 'metabase-key', hints: ['mb_[A-Za-z0-9+/]'], body: `(?=[a-z0-9]{0,42}[A-Z])[A-Za-z0-9+/]{43}=` },
  { kind: 'tinybird-token', hints: ['p.eyJ'], body: `${URL64}{20,}\\.${URL64}{20,}` },
  { kind: 'posthog-key', hints: ['phs_'], body: `${ALNUM}{32,}` },
  { kind: 'axiom-token', hints: ['xaat-', 'xapt-'], body: UUID },
  { kind: 'logfire-token', hints: ['pylf_v1_', 'pylf_v2_'], body: `[a-z]{2}_${ALNUM}{30,}` },
  { kind: 'checkly-key', hints: ['cu_[a-f0-9]'], body: `${HEX}{31}(?!${ALNUM})` },
  { kind: 'mapbox-token', hints: ['sk.eyJ'], body: `${URL64}{40,}\\.${URL64}{20,}` },
  {
    kind: 'maxmind-key',
    hints: ['_mmk'],
    body: `(?!${ALNUM})`,
    before: { chars: '[A-Za-z0-9_]', min: 36, max: 36 },
  },
  // Features and incidents
  {
    kind: 'statsig-key',
    hints: ['secret-[A-Za-z0-9]', 'console-[A-Za-z0-9]'],
    body: `(?=[A-Za-z]{0,41}[0-9])${ALNUM}{39,42}(?![A-Za-z0-9-])`,
  },
  {
    kind: 'flagsmith-key',
    hints: ['ser.[A-Za-z0-9]'],
    body: `(?=[A-Za-z]{0,20}[0-9])(?=[a-z0-9]{0,20}[A-Z])${ALNUM}{21}(?!\\.?${ALNUM})`,
  },
  {
    kind: 'unleash-token',
    hints: [':development.', ':production.'],
    body: `${HEX}{56}`,
    before: { chars: '[A-Za-z0-9*_\\[\\]-]', min: 1, max: 40 },
  },
  { kind: 'launchdarkly-key', hints: ['rel-[a-f0-9]', 'mob-[a-f0-9]'], body: UUID.replace('{8}', '{7}') },
  { kind: 'rootly-key', hints: ['rootly_'], body: `${HEX}{64}` },
  { kind: 'incident-key', hints: ['inc_live_', 'inc_dev_', 'inc_api_'], body: `${ALNUM}{24,}` },
  // Networks
  { kind: 'netbird-token', hints: ['nbp_'], body: `${ALNUM}{30,}` },
  {
    kind: 'ngrok-key',
    hints: ['ak_[A-Za-z0-9]', 'cr_[A-Za-z0-9]'],
    body: `(?=[A-Za-z]{0,25}[0-9])(?=[a-z0-9]{0,25}[A-Z])${ALNUM}{25,27}(?!${ALNUM})`,
  },
  { kind: 'defined-networking-key', hints: ['dnkey-'], body: `${URL64}{26}-${URL64}{52}` },
  { kind: 'akamai-token', hints: ['akab-'], body: `[a-z0-9]{16}-[a-z0-9]{16}` },
  {
    kind: 'bitwarden-token',
    hints: ['0.[a-f0-9]'],
    body: `${UUID.replace('{8}', '{7}')}\\.${ALNUM}{20,}:[A-Za-z0-9+/]{20,}={0,2}`,
  },
  { kind: 'infisical-token', hints: ['st.[a-f0-9]'], body: `${HEX}{8,}\\.${HEX}{16,}\\.${HEX}{16,}` },
  { kind: 'openshift-token', hints: ['sha256~'], body: `${URL64}{43}`, anywhere: true },
];
