import type { VNode } from 'preact';
import type { StageLine, Task } from '../../../client/api/shapes.ts';
import { known } from '../data/known.ts';
import { exact, valueText } from '../ui/format.ts';
import { Empty } from '../ui/notice.tsx';

const TITLES: Readonly<Record<string, string>> = {
  received: 'Received',
  validation: 'Signature and form',
  command_matching: 'Command',
  immediate_response: 'First answer',
  task_created: 'Task created',
  queue_push: 'Queued',
};

/** One delivery has six; a sender may record any number. */
const STAGES_MAX = 500;

/** The stages of the webhook, each with what it decided. */
export function StagesView({
  stages,
  task,
}: {
  readonly stages: readonly StageLine[];
  readonly task: Task;
}): VNode {
  if (stages.length === 0)
    return (
      <Empty title="No webhook">
        <p>This task came from {task.source ?? 'elsewhere'}, so there are no stages.</p>
      </Empty>
    );
  return (
    <ol class="stages">
      {stages.slice(0, STAGES_MAX).map(({ timestamp, stage, event_id: id, sender, ...fields }, index) => {
        const isBad = fields.status === 'failed' || (fields.success === false && fields.status !== 'skipped');
        return (
          <li key={id ?? index} class={isBad ? 'stage stage-bad' : 'stage'}>
            <h3>{known(TITLES, stage) ?? stage}</h3>
            <time dateTime={timestamp}>{exact(timestamp)}</time>
            {sender !== undefined && <small class="doubt">said by {sender}</small>}
            <dl>
              {Object.entries(fields).map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{valueText(value)}</dd>
                </div>
              ))}
            </dl>
          </li>
        );
      })}
      {stages.length > STAGES_MAX && <li>{stages.length - STAGES_MAX} more stages are in the files.</li>}
    </ol>
  );
}
