import fc from 'fast-check';

/**
 * The seed of all property tests: a change is refused for what it changes, not for an input that only this run has drawn.
 * `PROPERTY_SEED` sets another number; `random` draws a new one, which a failed property prints.
 */
const seed = process.env.PROPERTY_SEED ?? '20260101';
if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });

export { fc };
