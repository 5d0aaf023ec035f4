import { canonicalJson } from '../../model/canonical-json.ts';
import type { JsonObject } from '../../model/json.ts';
import { sha256, sha256OfJson } from '../../model/sha256.ts';
import { type NodeId, WORKFLOW } from '../../model/workflow-node.ts';
import { artifactIdentity } from '../../record/artifact.ts';
import { Progress } from '../../record/progress.ts';
import type { CurrentWorkflow, OpenPhase, OpenStep } from './current-workflow.ts';

/** A step that was started and has not ended. */
export type RunningStep = Pick<OpenStep, 'name' | 'skill' | 'attempt' | 'owner'>;

/** The open nodes of a workflow; their numbers are in `Progress`. */
export interface OpenNodes {
  readonly attempt: number;
  readonly status: string;
  readonly phase: Pick<OpenPhase, 'name' | 'attempt'> | null;
  readonly steps: readonly RunningStep[];
}

/** 128 bits are enough to tell the artifacts of one workflow apart. */
const KEY_CHARS = 32;

export function openNodes({ attempt, status, phase, steps }: CurrentWorkflow): OpenNodes {
  return { attempt, status, phase, steps };
}

/** The progress of a workflow from its state file. */
export function restoreProgress(state: CurrentWorkflow): Progress {
  const progress = new Progress();
  const { attempt, started_at_ms: startedAtMs, status, phase } = state;
  progress.addStart(WORKFLOW, { attempt, startedAtMs, isOwn: true });
  if (status !== 'running') progress.addEnd(WORKFLOW, { attempt, status, error: null });
  for (const { phase: name, step, count } of state.starts)
    progress.addStartCount({ phase: name, step }, count);
  for (const name of state.failed) addEnded(progress, { phase: name, step: null }, 'failure');
  if (phase !== null) restorePhase(progress, phase, state);
  restoreArtifacts(progress, state);
  return progress;
}

/** Open steps come first: a start clears the failure of an earlier attempt of the step. */
function restorePhase(progress: Progress, phase: OpenPhase, state: CurrentWorkflow): void {
  const { name, attempt, started_at_ms: startedAtMs, failed } = phase;
  progress.addStart({ phase: name, step: null }, { attempt, startedAtMs, isOwn: true });
  for (const { name: step, attempt: number, started_at_ms: startMs } of state.steps) {
    progress.addStart({ phase: name, step }, { attempt: number, startedAtMs: startMs, isOwn: true });
  }
  for (const step of phase.ended ?? endedSteps(name, state)) {
    const open = state.steps.filter((one) => one.name === step).map((one) => one.attempt);
    addEnded(progress, { phase: name, step }, failed.includes(step) ? 'failure' : 'success', open);
  }
}

/**
 * For a file that does not list the steps that ended in the open phase: all steps of the phase that have a start which is
 * not open. After a restart of the phase this includes steps of its earlier attempts; the next file lists the names.
 */
function endedSteps(phase: string, { starts, steps }: CurrentWorkflow): string[] {
  return starts.flatMap(({ phase: name, step, count }) => {
    if (name !== phase || step === null) return [];
    return count > steps.filter((open) => open.name === step).length ? [step] : [];
  });
}

/** Adds the end of the newest attempt that is not open. */
function addEnded(progress: Progress, node: NodeId, status: string, open: readonly number[] = []): void {
  let attempt = progress.attemptOf(node);
  while (open.includes(attempt)) attempt -= 1;
  progress.addStart(node, { attempt, startedAtMs: 0, isOwn: true });
  progress.addEnd(node, { attempt, status, error: null });
}

/** The last artifacts belong to the open phase, and some of these to its open steps. */
function restoreArtifacts(progress: Progress, state: CurrentWorkflow): void {
  const { artifacts, artifact_keys: keys, phase, steps } = state;
  const firstOfPhase = artifacts.length - (phase?.artifacts_created ?? 0);
  const owners = state.artifact_steps ?? ownersByContent(state, firstOfPhase);
  for (const [index, summary] of artifacts.entries()) {
    const key = keys[index] ?? String(index);
    const owner = steps[owners[index] ?? -1];
    const node = { phase: index < firstOfPhase ? null : (phase?.name ?? null), step: owner?.name ?? null };
    progress.addArtifact(node, { attempt: (owner ?? phase ?? state).attempt, key, summary });
  }
}

/**
 * For a file that does not name the steps of its artifacts: an artifact of the open phase belongs to the first open step
 * that lists an equal one. Of equal artifacts of a phase and its step, this may choose the wrong one.
 */
function ownersByContent({ artifacts, steps }: CurrentWorkflow, firstOfPhase: number): (number | null)[] {
  const indexes = new Map<string, number[]>();
  for (const [index, step] of steps.entries()) {
    for (const summary of step.artifacts) {
      const text = canonicalJson(summary);
      indexes.set(text, [...(indexes.get(text) ?? []), index]);
    }
  }
  return artifacts.map((summary, index) =>
    index < firstOfPhase ? null : (indexes.get(canonicalJson(summary))?.shift() ?? null),
  );
}

/** The state file after a change. */
export function savedState(
  state: CurrentWorkflow,
  { attempt, status, phase, steps }: OpenNodes,
  progress: Progress,
): CurrentWorkflow {
  return {
    ...state,
    attempt,
    started_at_ms: progress.startedAtMs(WORKFLOW, attempt) ?? state.started_at_ms,
    status,
    phase: phase && savedPhase(phase, progress),
    steps: steps.map((step) => savedStep(step, phase?.name ?? null, progress)),
    failed: progress.failedChildren(WORKFLOW, attempt).flatMap(({ phase: name }) => name ?? []),
    starts: progress.starts.map((node) => ({ phase: node.phase ?? '', step: node.step, count: node.starts })),
    artifacts: progress.artifacts.map(({ summary }) => summary),
    artifact_keys: progress.artifacts.map(({ key }) => key),
    artifact_steps: progress.artifacts.map((artifact) => {
      const index = steps.findIndex((step) => isArtifactOf(artifact, step, phase));
      return index === -1 ? null : index;
    }),
  };
}

function isArtifactOf(
  artifact: NodeId & { readonly attempt: number },
  step: RunningStep,
  phase: OpenNodes['phase'],
): boolean {
  const isInPhase = phase !== null && artifact.phase === phase.name;
  return isInPhase && artifact.step === step.name && artifact.attempt === step.attempt;
}

function savedPhase({ name, attempt }: Pick<OpenPhase, 'name' | 'attempt'>, progress: Progress): OpenPhase {
  const phase: NodeId = { phase: name, step: null };
  const ended = progress.endedSteps(phase, attempt).flatMap(({ step }) => step ?? []);
  return {
    name,
    attempt,
    started_at_ms: progress.startedAtMs(phase, attempt) ?? 0,
    steps_completed: ended.length,
    artifacts_created: progress.artifactsOf(phase, attempt).length,
    failed: progress.failedChildren(phase, attempt).flatMap(({ step }) => step ?? []),
    ended,
  };
}

function savedStep(step: RunningStep, phase: string | null, progress: Progress): OpenStep {
  const { name, skill, attempt, owner } = step;
  const node: NodeId = { phase, step: name };
  return {
    name,
    skill,
    attempt,
    started_at_ms: progress.startedAtMs(node, attempt) ?? 0,
    artifacts: progress.artifactsOf(node, attempt),
    owner,
  };
}

/** The key of an artifact in the state file, and the key that an earlier version wrote for the same call. */
export function artifactKeys(
  node: NodeId,
  attempt: number,
  payload: JsonObject,
): { readonly key: string; readonly earlierKey: string } {
  const { artifact, step } = payload;
  // The order of the keys is that of the call, so a call with reordered metadata is not recognised across the upgrade.
  const earlier = JSON.stringify([node.phase, attempt, { artifact, step }]);
  return {
    key: sha256OfJson(artifactIdentity(node, attempt, payload)).slice(0, KEY_CHARS),
    earlierKey: sha256(earlier).slice(0, KEY_CHARS),
  };
}
