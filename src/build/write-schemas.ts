import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WORKFLOW_EVENT_TYPES } from '../model/events.ts';
import { eventSchema } from '../model/workflow-payloads.ts';

// A step of the build: `di../schemas/<event_type>.json`, beside the code that they are made from.
const directory = fileURLToPath(new URL('../schemas/', import.meta.url));
mkdirSync(directory, { recursive: true });
for (const type of WORKFLOW_EVENT_TYPES) {
  writeFileSync(`${directory}${type}.json`, `${JSON.stringify(eventSchema(type), null, 2)}\n`);
}
