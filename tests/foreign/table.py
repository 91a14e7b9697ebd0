"""The document that a run writes: what each program did on both brokers."""

from foreign.programs import PROGRAMS

HEAD = """\
# What foreign programs make of the embedded broker

Written by `tests/foreign/run.py --write`, not by hand: each program takes the same steps on Sluice's broker and on Apache Kafka {version} (one node, KRaft), and
what it says is compared after addresses, ids, times, speeds and each broker's own defaults are replaced (`tests/foreign/normal.py`). The test run fails where this page
is no longer true.

| program | steps | as on Apache Kafka |
|---|---|---|
"""

TAIL = """
## What is meant to differ

- Retention is unlimited and a topic has 4 partitions where nothing else is said; the largest batch is 16 MiB.
- A topic setting that would make no difference on one node, or that Sluice does not follow, is refused with `INVALID_CONFIG` rather than kept and ignored.
- There are classic consumer groups only. Clients that ask for the new group protocol (KIP-848), share groups, Streams groups, quotas, ACLs or delegation tokens are told
  that the request is not served.
- Compaction keeps transaction markers, and records without a key that were written before the topic was compacted.
"""


def shown(outcome, most=110):
    """One line of a table cell."""
    lines = [line for line in outcome.splitlines() if line]
    text = " / ".join(lines[1:] if len(lines) > 1 and lines[0] == "exit 0" else lines)
    text = text.replace("|", "\\|").replace("<", "\\<")
    return text if len(text) <= most else text[:most].rstrip() + " ..."


def write(version, ours, theirs):
    """The whole page."""
    expected = {(program, step): outcome for program, step, outcome in theirs}
    what = {program.name: program.what for program in PROGRAMS}
    names = list(dict.fromkeys(program for program, *_ in ours))
    page = HEAD.format(version=version)
    for name in names:
        steps = [(step, outcome) for program, step, outcome in ours if program == name]
        same = sum(expected.get((name, step)) == outcome for step, outcome in steps)
        page += f"| {what.get(name, name)} | {len(steps)} | {'all' if same == len(steps) else f'{same} of {len(steps)}'} |\n"
    for name in names:
        page += f"\n## {what.get(name, name)}\n\n| step | Sluice | Apache Kafka |\n|---|---|---|\n"
        for program, step, outcome in ours:
            if program == name:
                other = expected.get((program, step), "not reached")
                page += f"| {step} | {shown(outcome)} | {'the same' if other == outcome else shown(other)} |\n"
    return page + TAIL
