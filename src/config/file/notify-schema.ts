import { z } from 'zod';
import {
  NOTIFICATION_GROUPS,
  NOTIFICATION_TYPES,
  type NotificationGroup,
  type NotificationType,
} from '../../model/notification.ts';
import type { Frozen, Optional, Strict, Texts } from './schema-shapes.ts';

/** Each receiver has a connection and a place in memory of its own. */
export const RECEIVERS_MAX = 20;

/** Of a receiver; its file has this name too, and no name there begins with `_`. */
const receiverName: z.ZodString = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'use lower-case letters, digits and "-", at most 40');

/** One entry of `notify`. */
export const notifySchema: Strict<{
  name: Optional<z.ZodString>;
  url: z.ZodString;
  secret: z.ZodUnion<readonly [z.ZodString, z.ZodArray<z.ZodString>]>;
  on: Optional<z.ZodArray<Texts<NotificationType | NotificationGroup>>>;
  filter: Optional<z.ZodString>;
  allow_addresses: Optional<z.ZodArray<z.ZodString>>;
  link: Optional<z.ZodString>;
}> = z.strictObject({
  name: receiverName
    .exactOptional()
    .describe(
      'Names the receiver in answers, logs and files. Needed when several have the same host. Default: the host, with `-` for other characters.',
    ),
  url: z
    .string()
    .min(1)
    .max(2_000)
    .describe(
      'Where to send: `https://...`, or `http://...`. References are replaced as in `secret`. Only its host is shown anywhere.',
    ),
  secret: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(2)])
    .describe(
      `Signs what is sent: \`whsec_\` and the base64 of 24 to 64 random bytes. Two in a list while one replaces the other. \`\${NAME}\` is replaced from the environment, or from the file that \`NAME_FILE\` names.`,
    ),
  on: z
    .array(z.enum([...NOTIFICATION_GROUPS, ...NOTIFICATION_TYPES]))
    .min(1)
    .exactOptional()
    .describe('The events to send. `task.*` and `workflow.*` are all of a kind. Default: all events.'),
  filter: z
    .string()
    .min(1)
    .max(4_096)
    .exactOptional()
    .describe(
      'Only tasks that this query finds, as `q` of `GET /api/tasks`. An event of a workflow is sent when it finds one of the tasks of the workflow.',
    ),
  allow_addresses: z
    .array(z.string().min(1).max(60))
    .min(1)
    .max(50)
    .exactOptional()
    .describe(
      'Addresses and networks (`127.0.0.1`, `10.1.0.0/16`, `::1`) that the receiver may be at besides public ones. Default: none.',
    ),
  link: z
    .string()
    .min(1)
    .max(500)
    .exactOptional()
    .describe('URL of a page for people, with `{task_id}` or `{workflow_id}` in it; it is in `links.page`.'),
});

export type NotifyConfig = Frozen<z.output<typeof notifySchema>>;
