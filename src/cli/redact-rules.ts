import type { Config } from '../config/config.ts';
import { setRedactRules } from '../redact/redact.ts';

/** For commands that record without a trail: the rules of the configuration count there too. */
export function useRedactRules({ redactRules }: Pick<Config, 'redactRules'>): void {
  setRedactRules(redactRules);
}
