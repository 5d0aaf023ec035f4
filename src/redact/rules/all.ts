import { DATA_RULES } from './data.ts';
import { MODEL_RULES } from './models.ts';
import { PLATFORM_RULES } from './platforms.ts';
import type { Rule } from './rule.ts';
import { SERVICE_RULES } from './services.ts';

/** All forms that a secret is known by. */
export const RULES: readonly Rule[] = [...PLATFORM_RULES, ...MODEL_RULES, ...DATA_RULES, ...SERVICE_RULES];
