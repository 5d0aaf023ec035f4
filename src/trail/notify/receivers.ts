import type { Config } from '../../config/config.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import type { Receiver } from '../../notify/notify-receiver.ts';
import { createTaskMatch } from '../../search/list/task-match.ts';
import { parseQuery } from '../../search/query/grammar.ts';
import type { TaskFiles } from '../../search/searched-files.ts';

type NotifySettings = Pick<Config, 'notify'>;

/** What is wrong with filters: the grammar is that of the search, which the configuration does not know. */
export function problemsOfFilters({ notify }: Pick<Config, 'notify'>): readonly string[] {
  return notify.flatMap(({ name, filter }) => {
    if (filter === undefined) return [];
    try {
      const { since, until } = parseQuery(filter, Date.now());
      // A span of time that moves on would let an event pass or not by the moment of a restart.
      return since === undefined && until === undefined
        ? []
        : [`notify: the filter of "${name}" has a time: leave out since and until`];
    } catch (error) {
      return [`notify: the filter of "${name}": ${messageOf(error)}`];
    }
  });
}

/** Throws `ERR_CONFIG_INVALID` naming each filter that is no query, and where. */
export function checkFilters(config: Pick<Config, 'notify'>): void {
  const problems = problemsOfFilters(config);
  if (problems.length > 0) throw new TasktrailError('ERR_CONFIG_INVALID', problems.join('\n'));
}

/** The receivers of the configuration, with filters that read the tasks of `files`. */
export function receiversOf({ notify }: NotifySettings, files: TaskFiles): readonly Receiver[] {
  const match = createTaskMatch(files);
  return notify.map(({ name, url, secret, on, filter, allowAddresses, link }) => ({
    ...{ name, url, secrets: secret, on, allowAddresses, link },
    matches: filter === undefined ? undefined : match({ q: filter }),
  }));
}
