#!/usr/bin/env python3
"""`sluice topics` and `sluice groups`, which are a foreign program to Apache Kafka: the binary is named by SLUICE_TEST_BINARY."""

import json
import os
import subprocess

from confluent_kafka import Consumer, Producer

from normal import normal
from say import bootstrap, say

TOPIC, GROUP = "sluice-operated", "sluice-readers"


def run(*words):
    command = [os.environ["SLUICE_TEST_BINARY"], *map(str, words), "--kafka", bootstrap()]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


def told(*words):
    """Exit code, and what it said to a person."""
    done = run(*words)
    # A broker's own words stand in brackets, behind ours.
    return normal(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")


def read(*words):
    """What it said to a program; why not, where it failed."""
    done = run(*words, "--output", "json")
    return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else normal(done.stderr)


def listed(name):
    return [t for t in read("topics", "list") if t["topic"] == name]


def described(name):
    """Without what each broker sets by itself."""
    found = read("topics", "describe", name)
    return found if isinstance(found, str) else {**found, "config": {c["name"]: c["value"] for c in found["config"] if c["own"]}}


def committed():
    found = read("groups", "describe", GROUP)
    return found if isinstance(found, str) else (found["state"], [(p["partition"], p["committed"], p["end"], p["lag"]) for p in found["partitions"]])


def reset(*to):
    found = read("groups", "reset-offsets", GROUP, *to)
    return found if isinstance(found, str) else (found["written"], [(p["topic"], p["partition"], p["before"], p["after"]) for p in found["partitions"]])


# Its records are of 2023, which Kafka's retention would delete within the run: it goes by their own time.
say("create", told("topics", "create", TOPIC, "--partitions", 3, "--replication-factor", 1, "--config", "retention.ms=-1"))
say("create again", told("topics", "create", TOPIC))
say("create if missing", told("topics", "create", TOPIC, "--if-not-exists"))
say("create with a setting that is none", told("topics", "create", "sluice-odd", "--config", "no.such=1"))
say("create with a name that is none", told("topics", "create", "a/b"))
say("create with more replicas than brokers", told("topics", "create", "sluice-two", "--replication-factor", 2))
say("describe", described(TOPIC))
producer = Producer({"bootstrap.servers": bootstrap(), "acks": "all"})
for n in range(60):
    producer.produce(TOPIC, value=f"{{\"n\": {n}}}", key=f"k{n}", partition=n % 3, timestamp=1_700_000_000_000 + n * 1000)
producer.flush(20)
say("list", listed(TOPIC))
say("tail", sorted(run("topics", "tail", TOPIC, "--from-beginning", "--count", 60).stdout.splitlines())[:5])
last = run("topics", "tail", TOPIC, "--last", 1, "--count", 3, "--output", "json").stdout.splitlines()
say("tail the last of each partition", sorted((r["partition"], r["offset"], r["key"], r["value"]["n"]) for r in map(json.loads, last)))

consumer = Consumer({"bootstrap.servers": bootstrap(), "group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False})
consumer.subscribe([TOPIC])
seen = []
while len(seen) < 60:
    seen += [m for m in consumer.consume(60, 10.0) if not m.error()]
consumer.commit(asynchronous=False)
say("groups list", [(g["state"], g["members"]) for g in read("groups", "list") if g["group"] == GROUP])
say("groups describe", committed())
say("reset while it is read", reset("--topic", TOPIC, "--to-earliest", "--execute"))
consumer.close()
say("groups describe without members", committed())
say("reset, tried", reset("--topic", TOPIC, "--to-earliest"))
say("nothing was written", committed())
say("reset to earliest", reset("--topic", TOPIC, "--to-earliest", "--execute"))
say("reset by shift", reset("--topic", TOPIC, "--shift-by", 7, "--execute"))
say("reset by shift below the start", reset("--topic", f"{TOPIC}:0", "--shift-by", -100, "--execute"))
say("reset to an offset beyond the end", reset("--topic", f"{TOPIC}:0,2", "--to-offset", 1000, "--execute"))
say("reset to a time", reset("--topic", TOPIC, "--to-datetime", "2023-11-14T22:13:50Z", "--execute"))
say("reset to a time that has not come", reset("--topic", TOPIC, "--to-datetime", "2100-01-01T00:00:00Z", "--execute"))
say("reset to latest, all its topics", reset("--all-topics", "--to-latest", "--execute"))
say("groups describe after resets", committed())
say("reset of a partition that is none", told("groups", "reset-offsets", GROUP, "--topic", f"{TOPIC}:9", "--to-earliest"))
say("reset of a topic that is none", told("groups", "reset-offsets", GROUP, "--topic", "sluice-nowhere", "--to-earliest"))

say("empty, tried", told("topics", "reset", TOPIC))
say("empty", told("topics", "reset", TOPIC, "--yes"))
say("describe what is empty", described(TOPIC)["partitions"])
say("delete, tried", told("topics", "delete", TOPIC))
say("delete", told("topics", "delete", TOPIC, "--yes"))
say("delete again", told("topics", "delete", TOPIC, "--yes"))
say("list what is deleted", listed(TOPIC))
say("create what is only compacted", told("topics", "create", "sluice-compacted", "--partitions", 1, "--config", "cleanup.policy=compact"))
producer.produce("sluice-compacted", key="k", value="v")
producer.flush(20)
say("empty what is only compacted", told("topics", "reset", "sluice-compacted", "--yes"))
