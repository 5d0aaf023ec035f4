/** Where a program finds other programs, its user and its language. */
const BASICS = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'];

/** The categories of setlocale(3), one by one: `ssh` accepts any `LC_...`, so people carry other things in such names. */
const LOCALE = [
  ...['LC_ALL', 'LC_CTYPE', 'LC_COLLATE', 'LC_MESSAGES', 'LC_MONETARY', 'LC_NUMERIC', 'LC_TIME', 'LC_PAPER'],
  ...['LC_NAME', 'LC_ADDRESS', 'LC_TELEPHONE', 'LC_MEASUREMENT', 'LC_IDENTIFICATION'],
];

const TERMINAL = [
  ...['TERM', 'COLORTERM', 'NO_COLOR', 'FORCE_COLOR', 'CLICOLOR', 'CLICOLOR_FORCE', 'COLUMNS', 'LINES'],
  ...['TERMINFO', 'TERMINFO_DIRS', 'CI'],
];

/** Folders of the XDG Base Directory Specification, without the one of sockets (`XDG_RUNTIME_DIR`). */
const FOLDERS = [
  ...['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_STATE_HOME', 'XDG_CONFIG_DIRS'],
  ...['XDG_DATA_DIRS'],
];

/** Folders of compilers and package managers: builds and tests that an agent runs need them. */
const TOOLS = [
  ...['JAVA_HOME', 'MAVEN_HOME', 'GRADLE_HOME', 'GRADLE_USER_HOME', 'ANDROID_HOME', 'ANDROID_SDK_ROOT'],
  ...['GOPATH', 'GOROOT', 'GOCACHE', 'GOMODCACHE', 'CARGO_HOME', 'RUSTUP_HOME', 'NVM_DIR', 'NVM_BIN'],
  ...['VOLTA_HOME', 'FNM_DIR', 'PNPM_HOME', 'BUN_INSTALL', 'DENO_DIR', 'COREPACK_HOME', 'PYENV_ROOT'],
  ...['VIRTUAL_ENV', 'CONDA_PREFIX', 'RBENV_ROOT', 'GEM_HOME', 'GEM_PATH', 'ASDF_DIR', 'ASDF_DATA_DIR'],
  ...['DOTNET_ROOT', 'COMPOSER_HOME', 'HOMEBREW_PREFIX', 'HOMEBREW_CELLAR', 'HOMEBREW_REPOSITORY'],
];

/** Files and folders of certificates. They hold paths; see `isPath`. */
const CERTIFICATES = [
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'],
  ...['GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'AWS_CA_BUNDLE', 'PIP_CERT', 'OTEL_EXPORTER_OTLP_CERTIFICATE'],
];

const GIT_IDENTITY = ['GIT_AUTHOR_NAME', 'GIT_AUTHOR_EMAIL', 'GIT_COMMITTER_NAME', 'GIT_COMMITTER_EMAIL'];

const WINDOWS = [
  ...['SYSTEMROOT', 'WINDIR', 'SYSTEMDRIVE', 'COMSPEC', 'PATHEXT', 'TEMP', 'TMP', 'USERPROFILE', 'USERNAME'],
  ...['USERDOMAIN', 'HOMEDRIVE', 'HOMEPATH', 'APPDATA', 'LOCALAPPDATA', 'PROGRAMDATA', 'ALLUSERSPROFILE'],
  ...['PUBLIC', 'PROGRAMFILES', 'PROGRAMFILES(X86)', 'PROGRAMW6432', 'COMMONPROGRAMFILES', 'OS'],
  ...['COMMONPROGRAMFILES(X86)', 'COMMONPROGRAMW6432', 'NUMBER_OF_PROCESSORS', 'PROCESSOR_ARCHITECTURE'],
];

const MACOS = ['__CF_USER_TEXT_ENCODING'];

/** Switches of recording and telemetry without an address or a key. `TASK_LOGS_RUN_ID`: an agent may run below another. */
const RECORDING = [
  ...['TASK_LOGS_ENABLED', 'TASK_LOGS_EMIT_WORKFLOW_EVENTS', 'TASK_LOGS_RUN_ID', 'FRACTARY_ENV'],
  ...['OTEL_RESOURCE_ATTRIBUTES', 'OTEL_SEMCONV_STABILITY_OPT_IN', 'OTEL_SDK_DISABLED'],
  ...['OTEL_TRACES_EXPORTER', 'OTEL_LOGS_EXPORTER', 'OTEL_METRICS_EXPORTER', 'OTEL_PROPAGATORS'],
  'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT',
];

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'FTP_PROXY', 'NO_PROXY'];

const ALLOWED: ReadonlySet<string> = new Set(
  [BASICS, LOCALE, TERMINAL, FOLDERS, TOOLS, CERTIFICATES, GIT_IDENTITY, MACOS, RECORDING].flat(),
);
const PATHS: ReadonlySet<string> = new Set([...CERTIFICATES, ...TOOLS, ...FOLDERS]);
const PROXY: ReadonlySet<string> = new Set(PROXIES.flatMap((name) => [name, name.toLowerCase()]));
const ON_WINDOWS: ReadonlySet<string> = new Set([...ALLOWED, ...WINDOWS]);

/** Linux and macOS: PATH_MAX of Linux. */
const PATH_CHARACTERS_MAX = 4_096;

/**
 * The variables that every agent gets: a list of what is allowed, not of what is secret, because the environment of a
 * service holds secrets under any name. Proxies lose their user and password.
 */
export function allowedVariables(
  env: Readonly<Record<string, string>>,
  platform: NodeJS.Platform = process.platform,
): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (PROXY.has(name)) out[name] = withoutCredentials(value);
    else if (isAllowed(name, platform) && (!PATHS.has(name) || isPath(value))) out[name] = value;
  }
  return out;
}

function isAllowed(name: string, platform: NodeJS.Platform): boolean {
  // Names of variables have no case there.
  return platform === 'win32' ? ON_WINDOWS.has(name.toUpperCase()) : ALLOWED.has(name);
}

/** Some programs also take the certificate itself, or a URL, in these variables. */
function isPath(value: string): boolean {
  return value.length <= PATH_CHARACTERS_MAX && !/[\n\r]|:\/\/|@.*:|-----BEGIN/.test(value);
}

/**
 * A URL without user, password, query and fragment. Not parsed as a URL: programs also take `user:password@host:3128`, and
 * passwords with characters that a URL may not have. Whatever stands before the last `@` is left out.
 */
export function withoutCredentials(url: string): string {
  const scheme = /^\s*[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(url)?.[0].trim() ?? '';
  const rest = url.slice(url.lastIndexOf('@') + 1);
  const place = url.includes('@') ? rest : rest.trim().slice(scheme.length);
  return `${scheme}${place.split(/[?#]/, 1)[0] ?? ''}`;
}
