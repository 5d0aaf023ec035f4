#!/bin/sh
# Prints numbered lines. Writes its begin, end and stop to a log of its own: <word> <task> <phase> <step> <run> <pid>.
log=$1 phase=$2 step=$3 lines=${4:-12}
run=$$-$(date +%s%N)
note() { echo "$1 $TASK_LOGS_TASK_ID $phase $step $run $$" >>"$log"; }
trap 'note stopped; exit 143' TERM INT HUP
note began
n=0
while [ "$n" -lt "$lines" ]; do
  echo "line $run $n;"
  n=$((n + 1))
  sleep 0.05
done
# From here on a signal changes nothing: the work is done.
trap '' TERM INT HUP
note ended
