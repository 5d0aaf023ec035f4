import type { VNode } from 'preact';
import type { HealthReport, Task } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { useResource } from '../data/resource.ts';
import { href } from '../data/route.ts';
import { CopyButton } from '../ui/copy-button.tsx';

const FILES = [
  ['metadata.json', 'metadata', 'what the task is and where it stands'],
  ['01-input.json', 'input', 'what the person wrote'],
  ['02-webhook-flow.jsonl', 'webhook_flow', 'the stages of the webhook'],
  ['03-agent-output.jsonl', 'agent_output', 'what the agent said and did'],
  ['04-final-result.json', 'final_result', 'the result, with cost and tokens'],
] as const;

/** A service over VictoriaLogs has no directory: it makes the documents of the records. */
function Place({ id }: { readonly id: string }): VNode {
  const { state } = useResource<HealthReport>([], (signal) => read<HealthReport>('/health', {}, signal));
  const { value, error } = state.value;
  if (value?.store !== undefined)
    return (
      <>
        Made of the records in VictoriaLogs. <code>tasktrail import</code> makes files of them.
      </>
    );
  // An app of the user may not say how it is.
  if (value === undefined && error === undefined) return <>Files</>;
  return (
    <>
      In the log directory: <code>{id}/</code> <CopyButton text={`${id}/`} what="the path" />
    </>
  );
}

/** The documents of the task, where they lie, and how to get them. */
export function FilesView({ task: { task_id: id, links } }: { readonly task: Task }): VNode {
  const trace = links.metadata.replace(/logs\/metadata$/, 'trace');
  const rows = [
    ...FILES.map(([name, key, what]) => [name, links[key], what] as const),
    ['trace.jsonl', trace, 'its spans, here as an array'] as const,
    ['all of them', links.full, 'one document'] as const,
  ];
  return (
    <table class="files">
      <caption>
        <Place id={id} />
      </caption>
      <thead>
        <tr>
          <th scope="col">File</th>
          <th scope="col">What it says</th>
          <th scope="col">
            <span class="unseen">Copy</span>
          </th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <td>
            <a href={href(`/tasks/${id}/export`)} download={`${id}.html`}>
              one HTML file
            </a>
          </td>
          <td>the whole run, to send to someone: it works offline</td>
          <td />
        </tr>
        {rows.map(([name, path, what]) => (
          <tr key={name}>
            <td>
              <a class="mono" href={path} target="_blank" rel="noopener noreferrer">
                {name}
              </a>
            </td>
            <td>{what}</td>
            <td>
              <CopyButton
                text={`curl -s '${location.origin}${path}'`}
                what={`curl for ${name}`}
                label="curl"
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
