import { TasktrailError } from '../../errors.ts';
import type { AgentOutcome } from '../../model/agent-output.ts';

/** Thrown for an agent run that did not succeed; `outcome` has the details. */
export class AgentFailedError extends TasktrailError {
  readonly outcome: AgentOutcome;

  constructor(name: string, outcome: AgentOutcome) {
    super(
      'ERR_AGENT_FAILED',
      `agent ${name} failed: ${outcome.error ?? outcome.errorType ?? 'no reason given'}`,
    );
    // By this name BullMQ knows that another try is of no use.
    this.name = outcome.errorType === 'budget_exceeded' ? 'UnrecoverableError' : 'AgentFailedError';
    this.outcome = outcome;
  }
}
