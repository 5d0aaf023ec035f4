import type { WorkflowDocument, WorkflowEnvelope } from '../model/workflow.ts';
import { factOfEnvelope } from './workflow-envelope.ts';
import { WorkflowFold } from './workflow-fold.ts';

/** Folds envelopes into a document. Each envelope has the attempt that its store assigned. */
export function documentOf(
  envelopes: readonly WorkflowEnvelope[],
  extra: { readonly revision: number; readonly disagrees: boolean },
): WorkflowDocument | undefined {
  const fold = new WorkflowFold(envelopes[0]?.workflow_id ?? '', () => '');
  fold.add(envelopes.map(factOfEnvelope));
  const document = fold.document(extra.revision);
  if (document === undefined || !extra.disagrees) return document;
  return { ...document, completeness: { ...document.completeness, disagrees: true } };
}
