/** One form of secret: how it is written, and what of that must not survive. */
export interface Form {
  readonly name: string;
  /** The name that its vendor gives to a field or a variable of it. */
  readonly field: string;
  /** `<...>` is the secret, without brackets all is. `{A24}`: 24 characters of an alphabet, see ALPHABETS. */
  readonly template: string;
}

export interface Sample {
  readonly form: Form;
  readonly text: string;
  readonly secret: string;
  /** The secret is known by itself, without what stands around it. */
  readonly isToken: boolean;
}

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
const ALPHABETS: Readonly<Record<string, string>> = {
  A: LOWER + LOWER.toUpperCase() + DIGITS,
  U: `${LOWER}${LOWER.toUpperCase()}${DIGITS}_-`,
  B: `${LOWER}${LOWER.toUpperCase()}${DIGITS}+/`,
  H: `${DIGITS}abcdef`,
  L: LOWER + DIGITS,
  C: LOWER.toUpperCase() + DIGITS,
  N: DIGITS,
  W: LOWER,
  // What a generator of passwords puts together.
  P: `${LOWER}${LOWER.toUpperCase()}${DIGITS}!#*+-.=_~^`,
};

const TOKENS: readonly (readonly [name: string, field: string, template: string])[] = [
  ['AWS key id', 'AWS_ACCESS_KEY_ID', 'AKIA{C16}'],
  ['AWS temporary key id', 'aws_access_key_id', 'ASIA{C16}'],
  ['GitHub token', 'GITHUB_TOKEN', 'ghp_{A36}'],
  ['GitHub app token', 'GH_TOKEN', 'ghs_{A36}'],
  ['GitHub OAuth token', 'oauth_token', 'gho_{A36}'],
  ['GitHub fine-grained token', 'GITHUB_PAT', 'github_pat_{A22}_{A59}'],
  ['GitLab token', 'GITLAB_TOKEN', 'glpat-{U20}'],
  ['GitLab runner token', 'CI_RUNNER_TOKEN', 'glrt-{U20}'],
  ['Slack bot token', 'SLACK_BOT_TOKEN', 'xoxb-{N12}-{N13}-{A24}'],
  ['Slack user token', 'SLACK_USER_TOKEN', 'xoxp-{N12}-{N12}-{N12}-{H32}'],
  ['Slack app token', 'SLACK_APP_TOKEN', 'xapp-1-A{C10}-{N13}-{H64}'],
  ['OpenAI project key', 'OPENAI_API_KEY', 'sk-proj-{U48}'],
  ['OpenAI key', 'openaiApiKey', 'sk-{A20}T3BlbkFJ{A20}'],
  ['Anthropic key', 'ANTHROPIC_API_KEY', 'sk-ant-api03-{U93}AA'],
  ['Google key', 'GOOGLE_API_KEY', 'AIza{U35}'],
  ['Google OAuth token', 'access_token', 'ya29.{U120}'],
  ['Google client secret', 'client_secret', 'GOCSPX-{U28}'],
  ['npm token', 'NPM_TOKEN', 'npm_{A36}'],
  ['PyPI token', 'TWINE_PASSWORD', 'pypi-AgEIcHlwaS5vcmc{U120}'],
  ['Atlassian token', 'JIRA_API_TOKEN', 'ATATT3xFfGF0{U170}'],
  ['JSON Web Token', 'id_token', 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIx{A40}.{U43}'],
  ['Stripe secret key', 'STRIPE_SECRET_KEY', 'sk_live_{A24}'],
  ['Stripe long secret key', 'stripeSecretKey', 'sk_live_51{A97}'],
  ['Stripe restricted key', 'STRIPE_API_KEY', 'rk_live_{A24}'],
  ['webhook secret', 'STRIPE_WEBHOOK_SECRET', 'whsec_{A32}'],
  ['SendGrid key', 'SENDGRID_API_KEY', 'SG.{U22}.{U43}'],
  ['Twilio key', 'TWILIO_API_KEY', 'SK{H32}'],
  ['Twilio account', 'TWILIO_ACCOUNT_SID', 'AC{H32}'],
  ['Hugging Face token', 'HF_TOKEN', 'hf_{A34}'],
  ['DigitalOcean token', 'DIGITALOCEAN_TOKEN', 'dop_v1_{H64}'],
  ['Docker token', 'DOCKER_PASSWORD', 'dckr_pat_{U27}'],
  ['Vault token', 'VAULT_TOKEN', 'hvs.{U90}'],
  ['Telegram token', 'TELEGRAM_BOT_TOKEN', '{N10}:AA{U33}'],
  ['Databricks token', 'DATABRICKS_TOKEN', 'dapi{H32}'],
  ['Linear key', 'LINEAR_API_KEY', 'lin_api_{A40}'],
  ['Notion token', 'NOTION_TOKEN', 'ntn_{N11}{A35}'],
  ['Shopify token', 'SHOPIFY_ACCESS_TOKEN', 'shpat_{H32}'],
  ['Groq key', 'GROQ_API_KEY', 'gsk_{A52}'],
  ['Replicate token', 'REPLICATE_API_TOKEN', 'r8_{A37}'],
  ['OpenRouter key', 'OPENROUTER_API_KEY', 'sk-or-v1-{H64}'],
  ['Grafana token', 'GRAFANA_TOKEN', 'glsa_{A32}_{H8}'],
  ['Mailgun key', 'MAILGUN_API_KEY', 'key-{H32}'],
  ['Mailchimp key', 'MAILCHIMP_API_KEY', '{H32}-us12'],
  ['New Relic key', 'NEW_RELIC_API_KEY', 'NRAK-{C27}'],
  ['Figma token', 'FIGMA_TOKEN', 'figd_{U40}'],
  ['Airtable token', 'AIRTABLE_TOKEN', 'pat{A14}.{H64}'],
  ['Azure client secret', 'AZURE_CLIENT_SECRET', '{A3}8Q~{U34}'],
  ['Terraform token', 'TFE_TOKEN', '{A14}.atlasv1.{U67}'],
  ['RubyGems key', 'RUBYGEMS_API_KEY', 'rubygems_{H48}'],
  ['Supabase token', 'SUPABASE_ACCESS_TOKEN', 'sbp_{H40}'],
  ['Doppler token', 'DOPPLER_TOKEN', 'dp.st.prd.{A43}'],
  ['Pulumi token', 'PULUMI_ACCESS_TOKEN', 'pul-{H40}'],
  ['Square token', 'SQUARE_ACCESS_TOKEN', 'sq0atp-{U22}'],
  ['Discord token', 'DISCORD_TOKEN', 'MTE{A23}.G{A5}.{U38}'],
  ['HubSpot token', 'HUBSPOT_TOKEN', 'pat-na1-{H8}-{H4}-{H4}-{H4}-{H12}'],
];

const NAMED: readonly (readonly [name: string, template: string])[] = [
  ['AWS_SECRET_ACCESS_KEY=', 'AWS_SECRET_ACCESS_KEY=<{B40}>'],
  ['aws_secret_access_key = ', 'aws_secret_access_key = <{B40}>'],
  [
    'service account',
    '{"type": "service_account", "private_key_id": "{H40}", "private_key": "-----BEGIN PRIVATE KEY-----\\n<{B64}>\\n{B64}\\n-----END PRIVATE KEY-----\\n"}',
  ],
  ['URL of a database', 'postgres://app:<{A16}>@db.example.com:5432/app'],
  ['URL of a cache', 'redis://:<{A20}>@cache:6379/0'],
  ['URL of a repository', 'https://bob:<{P14}>@git.example.com/o/r.git'],
  ['URL of a broker', 'amqp://svc:<{A6}@{A6}>@mq:5672/v'],
  ['URL with a token as the user', 'https://<{A20}1aB2>@git.example.com/o/r.git'],
  ['URL with a slash in the password', 'mongodb://app:<{A8}/{A8}>@db.example.com:27017/app'],
  ['Bearer', 'Authorization: Bearer <{U40}1A>'],
  ['Basic', 'Authorization: Basic <{BASIC}>'],
  ['Authorization: token', 'Authorization: token <{A40}>'],
  ['NAME_TOKEN=', 'DEPLOY_TOKEN=<{A24}>'],
  ['DB_PASSWORD="..."', 'DB_PASSWORD="<{P16}>"'],
  ['APP_API_KEY=', 'APP_API_KEY=<{H32}>'],
  ['Slack hook', 'https://hooks.slack.com/services/<T{C10}/B{C10}/{A24}>'],
  [
    'Azure AccountKey',
    'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=<{B86}==>;EndpointSuffix=core.windows.net',
  ],
  ['SAS', 'https://acme.blob.core.windows.net/c/b?sv=2022-11-02&sr=b&sig=<{A40}%2B{A2}%3D>&se=2026-01-01'],
  ['_authToken=', '//registry.npmjs.org/:_authToken=<{A36}>'],
  ['Password=;', 'Server=db;Database=app;User Id=sa;Password=<{A14}>;Encrypt=true'],
  ['Pwd=;', 'Server=db;Uid=sa;Pwd=<{A14}>;'],
  ['JDBC', 'jdbc:postgresql://db:5432/app?user=app&password=<{A14}>'],
  ['DB_PASS=', 'DB_PASS=<{A12}>'],
  ['password=', 'password=<{A12}1a>'],
  ['password= of letters', 'password=<{W12}>'],
  ['api_key=', 'api_key=<{L32}>'],
  ['YAML', 'password: <{A12}1a>'],
  ['YAML of letters', 'password: <{W12}>'],
  ['YAML in quotes', 'db_password: "<{W4} {W6} {W5}>"'],
  ['JSON field password', '{"user": "app", "password": "<{P14}1a>"}'],
  ['JSON field password of letters', '{"user": "app", "password": "<{W12}>"}'],
  ['JSON field api_key', '{"api_key": "<{L32}>"}'],
  ['JSON field DB_TOKEN', '{"DB_TOKEN":"<{A20}>"}'],
  ['--token X', 'deploy --token <{A24}> --force'],
  ['--password=X', 'deploy --password=<{A12}1a> --force'],
  ['curl -u', 'curl -u bob:<{A14}> https://api.example.com'],
  ['X-Api-Key', 'X-Api-Key: <{L32}>'],
  ['PRIVATE-TOKEN', 'PRIVATE-TOKEN: <{U20}>'],
  ['access_token=', 'https://api.example.com/v1/me?access_token=<{A32}>'],
  ['Cookie', 'Cookie: session=<{A32}>; theme=dark'],
  ['Set-Cookie', 'Set-Cookie: sid=<s%3A{A32}>; Path=/; HttpOnly'],
  ['.netrc', 'machine api.example.com login bob password <{A14}>'],
  ['.pgpass', 'db.example.com:5432:app:bob:<{A14}>'],
  ['mysql -p', 'mysql -u root -p<{A14}> app'],
  ['ENV in a Dockerfile', 'ENV API_TOKEN <{A24}>'],
  ['export', "export SMTP_PASSWORD='<{P12}1a>'"],
  ['client secret', 'client_secret=<{U40}>'],
  ['encryption key', 'ENCRYPTION_KEY=<{H64}>'],
  ['TOML', 'secret_key = "<{A32}>"'],
  ['Python dictionary', "{'password': '<{A12}1a>'}"],
  ['Ruby hash', ':password => "<{A12}1a>"'],
  ['properties', 'spring.datasource.password=<{A14}>'],
  ['XML', '<password><{A14}></password>'],
  ['Java', 'String password = "<{A12}1a>";'],
];

export const FORMS: readonly Form[] = [
  ...TOKENS.map(([name, field, template]) => ({ name, field, template })),
  ...NAMED.map(([name, template]) => ({ name, field: 'note', template })),
];

/** The same sequence for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 2_246_822_519);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 3_266_489_917);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

export function sampleOf(form: Form, random: () => number): Sample {
  const filled = form.template
    .replace('{BASIC}', () => Buffer.from(`bob:${chars('A', 14, random)}`).toString('base64'))
    .replace(/\{([A-Z])(\d+)\}/g, (_all, alphabet: string, count: string) =>
      chars(alphabet, Number(count), random),
    );
  const start = filled.search(/<(?!\/?password>)/);
  if (start < 0) return { form, text: filled, secret: filled, isToken: true };
  const end = filled.indexOf('>', start + (filled.startsWith('>', start + 1) ? 2 : 1));
  const secret = filled.slice(start + 1, end);
  return { form, text: filled.slice(0, start) + secret + filled.slice(end + 1), secret, isToken: false };
}

/** As of a generator: it begins with a letter or a digit and ends so, which an editor selects as one word. */
function chars(alphabet: string, count: number, random: () => number): string {
  const all = ALPHABETS[alphabet] ?? '';
  const ends = all.replace(/[^A-Za-z0-9]/g, '');
  const one = (of: string): string => of.charAt(Math.floor(random() * of.length));
  return Array.from({ length: count }, (_, at) => one(at === 0 || at === count - 1 ? ends : all)).join('');
}
