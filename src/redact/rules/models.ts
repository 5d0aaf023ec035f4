import type { Rule } from './rule.ts';

const ALNUM = '[A-Za-z0-9]';
const URL64 = '[A-Za-z0-9_-]';
const HEX = '[a-f0-9]';
const UUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;

/** Models and what agents call: search, browsers, sandboxes, traces of prompts. */
export const MODEL_RULES: readonly Rule[] = [
  { kind: 'anthropic-key', hints: ['sk-ant-'], body: `${URL64}{20,}` },
  { kind: 'openrouter-key', hints: ['sk-or-'], body: `${URL64}{20,}` },
  { kind: 'openai-key', hints: ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-None-'], body: `${URL64}{20,}` },
  { kind: 'langfuse-key', hints: ['sk-lf-'], body: UUID },
  { kind: 'openai-key', hints: ['sk-[A-Za-z0-9]'], body: `(?=[A-Za-z]{0,40}[0-9])${ALNUM}{31,}` },
  { kind: 'huggingface-token', hints: ['hf_'], body: `${ALNUM}{30,}` },
  { kind: 'huggingface-token', hints: ['api_org_'], body: `${ALNUM}{30,}` },
  { kind: 'groq-key', hints: ['gsk_'], body: `${ALNUM}{40,}` },
  { kind: 'xai-key', hints: ['xai-'], body: `${ALNUM}{60,}` },
  { kind: 'perplexity-key', hints: ['pplx-'], body: `${ALNUM}{40,}` },
  { kind: 'replicate-token', hints: ['r8_'], body: `${ALNUM}{30,}` },
  { kind: 'nvidia-key', hints: ['nvapi-'], body: `${URL64}{40,}` },
  { kind: 'together-key', hints: ['tgp_v1_'], body: `${URL64}{40,}` },
  { kind: 'fireworks-key', hints: ['fw_'], body: `${ALNUM}{22,}` },
  { kind: 'langsmith-key', hints: ['lsv2_pt_', 'lsv2_sk_'], body: `${HEX}{32}_${HEX}{10}` },
  { kind: 'elevenlabs-key', hints: ['sk_[a-f0-9]'], body: `${HEX}{47}(?!${ALNUM})` },
  { kind: 'tavily-key', hints: ['tvly-'], body: `${URL64}{28,}` },
  { kind: 'jina-key', hints: ['jina_'], body: `${URL64}{50,}` },
  { kind: 'firecrawl-key', hints: ['fc-[a-f0-9]'], body: `${HEX}{31}(?!${ALNUM})` },
  { kind: 'e2b-key', hints: ['e2b_'], body: `${HEX}{40}` },
  { kind: 'pinecone-key', hints: ['pcsk_'], body: '[A-Za-z0-9_]{50,}' },
  { kind: 'wandb-key', hints: ['wandb_v1_'], body: '[A-Za-z0-9_]{40,}' },
  { kind: 'cerebras-key', hints: ['csk-'], body: `(?=[A-Za-z]{0,47}[0-9])${ALNUM}{40,}` },
  {
    kind: 'voyage-key',
    hints: ['pa-[A-Za-z0-9]'],
    body: `(?=${URL64}{0,41}[0-9])(?=${URL64}{0,41}[A-Z])${URL64}{42}(?!${URL64})`,
  },
  { kind: 'llamacloud-key', hints: ['llx-'], body: `${ALNUM}{40,}` },
  { kind: 'runpod-key', hints: ['rpa_'], body: `[A-Z0-9]{32,}${ALNUM}{0,16}` },
  {
    kind: 'openai-key',
    hints: ['sess-[A-Za-z0-9]'],
    body: `(?=[A-Za-z]{0,38}[0-9])${ALNUM}{39}(?!${ALNUM})`,
  },
  { kind: 'helicone-key', hints: ['sk-helicone-'], body: `[a-z0-9-]{24,}` },
  { kind: 'litellm-key', hints: ['sk-litellm-'], body: `${URL64}{16,}` },
  { kind: 'langsmith-key', hints: ['ls__'], body: `${HEX}{32}(?!${ALNUM})` },
  { kind: 'langfuse-key', hints: ['pk-lf-'], body: UUID },
  { kind: 'braintrust-key', hints: ['bt-st-'], body: `${ALNUM}{40,}` },
  { kind: 'apify-token', hints: ['apify_api_'], body: `${ALNUM}{30,}`, anywhere: true },
  { kind: 'browserbase-key', hints: ['bb_live_', 'bb_test_'], body: `${URL64}{20,}` },
  {
    kind: 'brave-key',
    hints: ['BSA[A-Za-z0-9_-]'],
    body: `(?=${URL64}{0,26}[0-9])(?=${URL64}{0,26}[a-z])${URL64}{27}(?!${URL64})`,
  },
  { kind: 'mem0-key', hints: ['m0-[A-Za-z0-9]'], body: `(?=[A-Za-z]{0,38}[0-9])${ALNUM}{39}(?!${ALNUM})` },
  { kind: 'composio-key', hints: ['comp_', 'ak_comp_'], body: `(?=[A-Za-z]{0,19}[0-9])${ALNUM}{20,}` },
  {
    kind: 'modal-token',
    hints: ['ak-[A-Za-z0-9]', 'as-[A-Za-z0-9]'],
    body: `(?=[A-Za-z]{0,20}[0-9])(?=[a-z0-9]{0,20}[A-Z])${ALNUM}{21}(?!${ALNUM})`,
  },
  { kind: 'daytona-key', hints: ['dtn_'], body: `${HEX}{64}` },
  {
    kind: 'roboflow-key',
    hints: ['rf_[A-Za-z0-9]'],
    body: `(?=[A-Za-z]{0,18}[0-9])${ALNUM}{19}(?!${ALNUM})`,
  },
  {
    kind: 'deepl-key',
    hints: [':fx'],
    body: `(?![A-Za-z0-9_])`,
    before: { chars: '[a-f0-9-]', min: 36, max: 36 },
  },
  { kind: 'baseten-key', hints: ['baseten_'], body: `${ALNUM}{32,}` },
  { kind: 'cursor-key', hints: ['crsr_'], body: `${HEX}{64}`, anywhere: true },
  { kind: 'clarifai-key', hints: ['clarifai_pat_'], body: `${ALNUM}{20,}` },
  { kind: 'n8n-key', hints: ['n8n_api_'], body: `${ALNUM}{40,}`, anywhere: true },
  { kind: 'smithery-key', hints: ['smithery_'], body: UUID },
];
