import type { RedisLink } from '../../src/queue/bullmq/redis-link.ts';
import type { Term } from '../../src/service/warehouse/lease/redis-lease.ts';

/** The term of a service that takes itself for the holder, whatever the lease in Redis says. */
export function heldTerm(link: () => RedisLink): Term {
  return {
    number: 1,
    beganMs: Date.now(),
    isHeld: () => true,
    confirm: async () => true,
    run: (script, keys, args) =>
      link().ask(() => link().client.eval(script, keys.length + 1, 'lease', ...keys, 'value', ...args)),
  };
}
