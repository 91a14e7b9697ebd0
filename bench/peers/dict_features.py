"""Ten of the features of `sluice bench scoring`, as a script with dicts would compute them: the baseline of that bench.

Reads JSON lines from a file, keeps a deque a key and window, prints one JSON line: events, seconds, events_per_second,
cpu_seconds, peak_memory_mb.
Windows are exact (inclusive on both sides), in order of arrival; late events are not handled, which flatters this script.
"""
import json
import resource
import sys
import time
from collections import defaultdict, deque
from datetime import datetime
from decimal import Decimal

WINDOWS = (600.0, 3600.0, 86400.0, 604800.0, 2592000.0)


def peak_memory_mb():
    # Not getrusage: its maximum is handed down from the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6


def main(path):
    lines = open(path, "rb").read().splitlines()
    state = {key: [defaultdict(lambda: [deque(), Decimal(0)]) for _ in WINDOWS] for key in ("account_id", "merchant_id")}
    begun = time.perf_counter()
    checksum = 0
    for line in lines:
        event = json.loads(line, parse_float=Decimal)
        at = datetime.fromisoformat(event["event_time"].replace("Z", "+00:00")).timestamp()
        amount = event["amount"]
        for key, windows in state.items():
            entity = event[key]
            for length, table in zip(WINDOWS, windows):
                entry = table[entity]
                queue = entry[0]
                while queue and queue[0][0] < at - length:
                    entry[1] -= queue.popleft()[1]
                queue.append((at, amount))
                entry[1] += amount
                checksum += len(queue)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    outcome = {"events": len(lines), "seconds": seconds, "events_per_second": len(lines) / seconds, "checksum": checksum}
    print(json.dumps({**outcome, "cpu_seconds": used.ru_utime + used.ru_stime, "peak_memory_mb": peak_memory_mb()}))


if __name__ == "__main__":
    main(sys.argv[1])
