#!/bin/sh
# A build step that fails the first time. Its environment says where it belongs: TASK_LOGS_WORKFLOW_ID, TASK_LOGS_PHASE,
# TASK_LOGS_STEP and TRACEPARENT.
echo "$TASK_LOGS_PHASE/$TASK_LOGS_STEP"
[ -e implemented ] && exit 0
: > implemented
echo 'the tests fail' >&2
exit 1
