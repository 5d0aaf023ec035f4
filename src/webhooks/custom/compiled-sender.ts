import { WEBHOOK_PRESETS } from '../../model/webhook-presets.ts';
import { secretsOf } from '../signature.ts';
import { PRESETS, type Preset, type PresetScheme } from './presets.ts';
import { compileScheme, pathOf, type Scheme } from './scheme.ts';
import {
  type CustomOptions,
  type FieldValues,
  type ReadingOptions,
  type SchemeOptions,
  SenderProblem,
} from './sender-options.ts';

/** A sender whose options are checked, with the values of its preset. */
export interface Sender {
  readonly name: string;
  readonly options: CustomOptions;
  readonly secrets: readonly string[];
  readonly schemes: readonly Scheme[];
  readonly paths: SenderPaths;
}

type Paths = readonly (readonly string[])[];

export interface SenderPaths {
  readonly message: Paths;
  readonly eventType: Paths;
  readonly action: Paths;
  readonly author: Paths;
  readonly bot: Paths;
  readonly identity: Paths;
  readonly deliveryId: Paths;
  /** Undefined for a body with one event; empty when the body itself is the list. */
  readonly events: readonly string[] | undefined;
  readonly source: readonly (readonly [name: string, path: readonly string[]])[];
}

const SCHEME_OPTIONS = [
  ...['header', 'signature', 'query', 'algorithm', 'encoding', 'prefix', 'separator', 'signed', 'url'],
  ...['secretEncoding', 'timestamp', 'timestampHeader', 'timestampPrefix', 'toleranceSeconds'],
] as readonly (keyof SchemeOptions)[];

/** Fields of `source_metadata` that every task has. */
const OWN_FIELDS: readonly string[] = ['provider', 'event_type', 'webhook_id', 'command'];

/** Values of `bot` that mark one. */
const BOT_VALUES: FieldValues = { bot: ['true', 'bot', 'app'] };

/** Throws `SenderProblem`, a `TypeError`, for options that cannot work. */
export function compileSender(name: string, given: CustomOptions): Sender {
  const secrets = secretsOf(`custom.${name}.secret`, given.secret);
  const preset = presetOf(name, given.preset);
  const options = withPreset(given, preset?.reading);
  const own = pick(given);
  const schemes = schemesOf(name, preset?.schemes ?? [{}], { own, secrets });
  return { name, options, secrets, schemes, paths: pathsOf(name, options) };
}

function presetOf(name: string, preset: string | undefined): Preset | undefined {
  if (preset === undefined) return undefined;
  const known = WEBHOOK_PRESETS.find((one) => one === preset);
  if (known !== undefined) return PRESETS[known];
  throw new SenderProblem(name, 'preset', `use one of ${WEBHOOK_PRESETS.join(', ')}`);
}

/** The values of `only` and `ignore` are merged field by field, all others replaced. */
function withPreset(given: CustomOptions, preset: ReadingOptions | undefined): CustomOptions {
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const only = { ...preset?.only, ...given.only };
  const isBotNamed = (given.bot ?? preset?.bot) !== undefined && only.bot === undefined;
  const ignore = { ...(isBotNamed && BOT_VALUES), ...preset?.ignore, ...given.ignore };
  const sourceMetadata = { ...preset?.sourceMetadata, ...given.sourceMetadata };
  return { ...preset, ...set, secret: given.secret, only, ignore, sourceMetadata };
}

function pick(given: CustomOptions): SchemeOptions {
  return Object.fromEntries(
    SCHEME_OPTIONS.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]),
  );
}

/** Each scheme with its secrets. One without any is left out, unless none has one. */
function schemesOf(
  name: string,
  presets: readonly PresetScheme[],
  { own, secrets }: { readonly own: SchemeOptions; readonly secrets: readonly string[] },
): readonly Scheme[] {
  const prefixes = presets.map(({ secretPrefix }) => secretPrefix).filter((prefix) => prefix !== undefined);
  const compiled = presets.map(({ secretPrefix, ...scheme }) => {
    const mine = secrets.filter((secret) =>
      secretPrefix === undefined
        ? !prefixes.some((prefix) => secret.startsWith(prefix))
        : secret.startsWith(secretPrefix),
    );
    return { count: mine.length, scheme: compileScheme(name, { ...scheme, ...own }, mine) };
  });
  return compiled.filter(({ count }) => count > 0).map(({ scheme }) => scheme);
}

function pathsOf(name: string, options: CustomOptions): SenderPaths {
  const list = (key: string, value: unknown): Paths =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((path) =>
      pathOf(name, key, path),
    );
  const { events, message, sourceMetadata = {} } = options;
  if (message === undefined) throw new SenderProblem(name, 'message', 'must be the path of the text');
  const taken = Object.keys(sourceMetadata).find((key) => OWN_FIELDS.includes(key));
  if (taken !== undefined) {
    throw new SenderProblem(name, `sourceMetadata.${taken}`, 'every task has this field already');
  }
  checkFields(name, options);
  return {
    message: list('message', message),
    eventType: list('eventType', options.eventType),
    action: list('action', options.action),
    author: list('author', options.author),
    bot: list('bot', options.bot),
    identity: list('identity', options.identity),
    deliveryId: list('deliveryId', options.deliveryId),
    events: events === undefined ? undefined : events === '.' ? [] : pathOf(name, 'events', events),
    source: Object.entries(sourceMetadata).map(
      ([key, path]) => [key, pathOf(name, `sourceMetadata.${key}`, path)] as const,
    ),
  };
}

/** A filter on a field that is never read would refuse everything, or let everything pass. */
function checkFields(name: string, options: CustomOptions): void {
  for (const filter of ['only', 'ignore'] as const) {
    for (const [field, values] of Object.entries(options[filter] ?? {})) {
      if (!Array.isArray(values))
        throw new SenderProblem(name, `${filter}.${field}`, 'must be a list of values');
      const isNamed = field === 'action' || field === 'author' || field === 'bot';
      if (isNamed && options[field] === undefined) {
        throw new SenderProblem(
          name,
          field,
          `must be the path of the value that ${filter}.${field} compares`,
        );
      }
      if (!isNamed && field !== 'event') pathOf(name, `${filter}.${field}`, field);
    }
  }
}
