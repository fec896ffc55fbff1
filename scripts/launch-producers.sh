#!/usr/bin/env bash
# launch-producers.sh [TYPE] [N] [OPTION...]
#
# Starts N producers (5) that send to a program which listens on TYPE (unixsock): each sends 10 records a second for 5 s. Waits for them, and
# ends with the worst of their exit statuses. Further options go to each producer. SIGINT or SIGTERM stops them in order.
set -euo pipefail

type=${1:-unixsock}
count=${2:-5}
[[ $count =~ ^[1-9][0-9]{0,2}$ ]] || {
  echo "launch-producers: N must be a whole number from 1 to 999, got '$count'" >&2
  exit 2
}
root=$(CDPATH='' cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pids=()
# Each producer has a process group of its own: a terminal sends its SIGINT to the group of this script alone, and a producer that got two
# signals would end at once.
set -m
stop() { ((${#pids[@]} == 0)) || kill -TERM "${pids[@]}" 2>/dev/null || true; }
trap stop INT TERM

for ((i = 0; i < count; i++)); do
  "$root/bin/logforge" generate --transport "$type" --size 100 --rate 10 --duration 5s "${@:3}" &
  pids+=("$!")
done

worst=0
for pid in "${pids[@]}"; do
  status=0
  wait "$pid" || status=$?
  # A signal ended the wait, not the producer.
  while ((status > 128)) && kill -0 "$pid" 2>/dev/null; do
    status=0
    wait "$pid" || status=$?
  done
  ((status <= worst)) || worst=$status
done
exit "$worst"
