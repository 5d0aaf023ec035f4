import { createHash } from 'node:crypto';

/** The style of the document of a run. It stands in the document, which is one file. */
export const STYLE: string = `
:root { color-scheme: light dark; --ink: #1c2127; --soft: #5b6570; --line: #d9dee4; --ground: #fff; --raised: #f5f7f9;
  --good: #18703a; --bad: #b3261e; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #a3adb8; --line: #353c44; --ground: #14181c;
  --raised: #1d2227; --good: #6fce8f; --bad: #ff9a91; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 0.9375rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.375rem; line-height: 1.3; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.0625rem; margin: 2.25rem 0 0.5rem; border-bottom: 1px solid var(--line); padding-bottom: 0.25rem; }
a { color: var(--link); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.125rem 1rem; margin: 0; }
dt, .soft, time, th { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { text-align: left; padding: 0.1875rem 0.75rem 0.1875rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 500; }
td { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.short { white-space: nowrap; }
pre, code { font: 0.8125rem/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
pre { margin: 0.25rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.line { border-bottom: 1px solid var(--line); padding: 0.375rem 0; }
.line > header { display: flex; gap: 0.75rem; }
.line pre, .box { background: var(--raised); padding: 0.375rem 0.625rem; border-radius: 0.25rem; }
.system { display: flex; gap: 0.75rem; align-items: baseline; }
.system > * { min-width: 0; }
.system > header { flex: none; }
.system pre { background: none; padding: 0; margin: 0; color: var(--soft); }
.output pre, .result pre { background: none; padding: 0; font: inherit; }
.word { font-weight: 600; }
.good { color: var(--good); }
.bad, .error .word { color: var(--bad); }
summary { cursor: pointer; overflow-wrap: anywhere; }
`;

const HASH = createHash('sha256').update(STYLE).digest('base64');

/** Nothing runs and nothing is loaded; the one style is the one above. */
export const POLICY: string = [
  "default-src 'none'",
  `style-src 'sha256-${HASH}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
