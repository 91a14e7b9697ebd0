#!/usr/bin/env bash
# Stops the instance that runs on a data folder: asks it to stop, and waits until it has drained and gone. It ends only the
# process that the pid file names, and only if that process is a sluice.
set -euo pipefail

data=${1:-data}
if [ ! -f "$data/sluice.pid" ]; then
    echo "nothing runs on $data (no $data/sluice.pid)"
    exit 0
fi
pid=$(tr -dc 0-9 < "$data/sluice.pid")
if [ -z "$pid" ] || ! kill -0 "$pid" 2> /dev/null || [ "$(ps -o comm= -p "$pid")" != sluice ]; then
    echo "nothing runs on $data (process ${pid:-?} of $data/sluice.pid is gone)"
    exit 0
fi
kill -TERM "$pid"
for _ in $(seq 100); do
    kill -0 "$pid" 2> /dev/null || { echo "stopped ($pid)"; exit 0; }
    sleep 0.1
done
echo "process $pid has not stopped within 10 seconds; it may be busy with the disk: look at its log, or end it with kill -9 $pid (nothing is lost)" >&2
exit 1
