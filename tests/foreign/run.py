#!/usr/bin/env python3
"""Runs programs that none of us wrote against Sluice's broker and against Apache Kafka, the same steps in the same order, and compares
what they say. `--write` puts the table into docs/compatibility.md; without it a table that is no longer true is a failure.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from foreign import cli
from foreign.programs import PROGRAMS, compactions
from foreign.table import write
from foreign.tools import Tools
from harness.instance import REPOSITORY, Instance, Workspace, arguments
from harness.report import Report
from services.kafka import VERSION, Kafka

DOCUMENT = REPOSITORY / "docs" / "compatibility.md"


def program_steps(program, command, bootstrap):
    """Runs one client program; it prints a JSON object a line, with `step` and `outcome`."""
    done = subprocess.run([*command, bootstrap], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            said = json.loads(line)
            yield program.name, said["step"], said["outcome"]
    yield program.name, "exit code", f"exit {done.returncode}" + (f": {done.stderr.strip()[-400:]}" if done.returncode else "")


def everything(bootstrap, commands, folder, only):
    """All steps at one address: program, step, outcome; and the seconds they took."""
    found, seconds = [], {}
    folder.mkdir()
    waiting = compactions(bootstrap) if not only or "compaction" in only else None
    for program, command in commands:
        at = time.monotonic()
        found += program_steps(program, command, bootstrap)
        seconds[program.name] = time.monotonic() - at
    if not only or "cli" in only:
        at = time.monotonic()
        with Tools() as tools:
            found += [(f"Kafka's tools: {part}", step, outcome) for part, step, outcome in cli.steps(tools, bootstrap, folder)]
        seconds["Kafka's tools"] = time.monotonic() - at
    if waiting:
        found += [("compaction", step, outcome) for step, outcome in waiting()]
    return found, seconds


def main():
    parser = arguments(__doc__)
    parser.add_argument("--address", help="a broker that runs already, instead of `sluice up`")
    parser.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    parser.add_argument("--only", action="append", default=[], help="a program's name; cli for Kafka's tools (may be repeated)")
    options = parser.parse_args()
    report = Report("foreign")
    only = options.only
    os.environ["SLUICE_TEST_BINARY"] = str(options.sluice.resolve())
    commands = [(program, program.command()) for program in PROGRAMS if not only or program.name in only]
    # Both brokers at once: most of a run is waiting, for rebalances and virtual machines.
    with Workspace("foreign", options.keep) as folder, Kafka(folder) as kafka, ThreadPoolExecutor(2) as pool:
        kafka.start()
        with Instance(options.sluice, folder) as instance:
            address = options.address
            if address is None:
                instance.start()
                address = instance.kafka
            runs = [pool.submit(everything, at, commands, folder / name, only) for at, name in [(address, "ours"), (kafka.bootstrap, "theirs")]]
            (ours, our_seconds), (theirs, their_seconds) = [run.result() for run in runs]
            if options.address is None:
                report.equal("sluice stops in order afterwards", instance.stop()[0], 0)
    expected = {(program, step): outcome for program, step, outcome in theirs}
    found = {(program, step): outcome for program, step, outcome in ours}
    report.equal("every step has a name of its own", len(expected), len(theirs))
    report.equal("the same steps", list(found), list(expected))
    for step, outcome in expected.items():
        report.check(": ".join(step), found.get(step) == outcome, f"\n--- Sluice\n{found.get(step)}\n--- Apache Kafka\n{outcome}")
    for name, seconds in our_seconds.items():
        print(f"{name}: {seconds:.1f} s on Sluice, {their_seconds[name]:.1f} s on Apache Kafka")
    if not options.only:
        table = write(VERSION, ours, theirs)
        if options.write:
            DOCUMENT.write_text(table)
        report.check("docs/compatibility.md is what this run found", DOCUMENT.exists() and DOCUMENT.read_text() == table, "run with --write")
    report.finish()


if __name__ == "__main__":
    main()
