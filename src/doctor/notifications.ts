import { objectOf } from '../model/json.ts';
import { createNotificationList, outboxFiles } from '../trail/notify/notification-list.ts';
import { problemsOfFilters } from '../trail/notify/receivers.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';

/** Where notifications are sent, and which receivers do not take them. Nothing is sent. */
export async function checkNotifications({ config }: Subject): Promise<readonly Finding[]> {
  if (config.notify.length === 0) return [ok('notify', 'no receiver is named: nothing is sent outward')];
  const filters = problemsOfFilters(config).map((text) =>
    problem('notify', text, 'correct it in tasktrail.config.json; the service does not start'),
  );
  const receivers = await createNotificationList(outboxFiles(config.logDir), config.notify).listReceivers();
  const found = receivers.map((receiver) => {
    const { receiver: name, trouble, delivered, pending, is_configured: isConfigured } = receiver;
    const where = `notify.${String(name)}`;
    const lost = Object.entries(objectOf(receiver.dropped))
      .map(([reason, count]) => `, ${String(count)} dropped (${reason})`)
      .join('');
    const what = `${String(delivered)} delivered, ${String(pending)} waiting${lost}`;
    if (typeof trouble === 'string') {
      return problem(where, trouble, adviceOn(trouble));
    }
    if (isConfigured !== true && Number(pending) > 0) {
      const advice = 'name it again; its file in _notify is removed four days after its last line';
      return warning(where, `${what}; the configuration does not name it any more`, advice);
    }
    return ok(where, what);
  });
  const open = config.notify.filter(
    ({ url, allowAddresses }) => url.startsWith('http:') && allowAddresses.length === 0,
  );
  const unsafe = open.map(({ name }) =>
    warning(`notify.${name}`, 'http://: what is sent can be read on the way', 'use https://'),
  );
  return [...filters, ...found, ...unsafe];
}

/** Only an address that was refused is about the configuration of this side. */
function adviceOn(trouble: string): string {
  const see = 'see the last answer in GET /api/notifications';
  return trouble.includes('allow_addresses')
    ? `${see}; an address of a private network must be named in allow_addresses`
    : `${see}; the receiver must run, be reachable from here, and answer with a 2xx`;
}
