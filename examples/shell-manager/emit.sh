#!/bin/sh
# The same with single events, for a manager that keeps ids, attempts and durations itself.
#
#   ./emit.sh <work item> [workflow id]
#
# With the id of an earlier run it goes on with that one: an event that is there already is not recorded twice. That holds
# because every event says which attempt it belongs to. Without --attempt a start after its own end is the next attempt.
set -eu

work_item=${1:?usage: emit.sh <work item> [workflow id]}
WORKFLOW_ID=${2:-workflow-$work_item-$(date -u +%Y%m%dT%H%M%SZ)}

emit_workflow_event() {
  tasktrail emit "$1" "$WORKFLOW_ID" "$2" --attempt 1 >/dev/null
}

emit_workflow_event workflow_start '{"context":{"work_item_id":"'"$work_item"'","branch":null,"autonomy_level":"guarded"}}'
emit_workflow_event phase_start '{"phase":"architect","steps":["generate-spec"]}'
emit_workflow_event step_start '{"phase":"architect","step":{"name":"generate-spec","skill":"spec-generator"}}'
emit_workflow_event artifact_create '{"artifact":{"type":"spec","path":"/specs/'"$work_item"'.md","metadata":{}},"step":"generate-spec"}'
emit_workflow_event step_complete '{"phase":"architect","step":{"name":"generate-spec","status":"success","duration_ms":45000,"error":null}}'
emit_workflow_event phase_complete '{"phase":"architect","status":"success","duration_ms":46000,"steps_completed":1,"artifacts_created":1}'
emit_workflow_event workflow_complete '{"status":"success","duration_ms":47000,"summary":{"phases_executed":1,"steps_executed":1,"artifacts_created":1,"retries_used":0}}'
echo "$WORKFLOW_ID"
