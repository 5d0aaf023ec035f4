#!/bin/sh
# A workflow manager in shell: phases and steps, recorded while they happen.
#
#   ./manager.sh <work item>
#
# `tasktrail` must be on the PATH. It keeps the ids, attempts and times; this script says what happens.
set -eu

work_item=${1:?usage: manager.sh <work item>}
here=$(cd "$(dirname "$0")" && pwd)

TASK_LOGS_WORKFLOW_ID=$(tasktrail workflow start --name faber --work-item "$work_item" \
  --phases frame,architect,build,evaluate)
export TASK_LOGS_WORKFLOW_ID
trap 'tasktrail workflow complete --status cancelled' INT TERM

# A step with a command: its exit code is the step's status, and is passed on.
tasktrail workflow phase frame --steps fetch-issue
tasktrail workflow step fetch-issue --skill issue-fetcher -- echo "issue $work_item: add a flag"

# A step that this script itself does, and what it leaves.
tasktrail workflow phase architect --steps generate-spec
tasktrail workflow step generate-spec --skill spec-generator
mkdir -p specs
echo "# Add a flag ($work_item)" > "specs/$work_item.md"
tasktrail workflow artifact spec "specs/$work_item.md" --metadata '{"template":"feature"}'
tasktrail workflow done

# A step that fails is started again: the next attempt of the same step.
tasktrail workflow phase build --steps implement
tries=1
until tasktrail workflow step implement --skill coder -- "$here/implement.sh"; do
  [ $tries -lt 3 ] || { tasktrail workflow complete --status failure; exit 1; }
  tasktrail emit step_retry "$TASK_LOGS_WORKFLOW_ID" '{"phase":"build","step":"implement","reason":"exit code"}' >/dev/null
  tries=$((tries + 1))
done
tasktrail emit decision_point "$TASK_LOGS_WORKFLOW_ID" '{"phase":"build","decision":"commits","chosen":"one"}' >/dev/null

tasktrail workflow phase evaluate --steps test
tasktrail workflow step test -- test -s "specs/$work_item.md"

# Ends what is open, and the workflow, with the status that its phases have.
tasktrail workflow complete
