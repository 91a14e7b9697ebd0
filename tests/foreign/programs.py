"""The client programs, one plain list, and how each is installed. Each gets a bootstrap address and prints a JSON object a line."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness.instance import REPOSITORY

HERE = Path(__file__).resolve().parent
TARGET = REPOSITORY / "target" / "foreign"


def python(name):
    return [sys.executable, HERE / f"{name}.py"]


def kafkajs():
    """Node with kafkajs, as package-lock.json says."""
    folder = TARGET / "kafkajs"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ["package.json", "package-lock.json", "client.js"]:
        shutil.copy(HERE / "kafkajs" / file, folder / file)
    fresh(folder, HERE / "kafkajs" / "package-lock.json", ["npm", "ci", "--silent", "--no-audit", "--no-fund"])
    return ["node", folder / "client.js"]


def franz_go():
    """A small Go program on franz-go, built as go.sum says."""
    TARGET.mkdir(parents=True, exist_ok=True)
    binary = TARGET / "franz"
    subprocess.run(["go", "build", "-o", binary, "."], cwd=HERE / "franz", check=True, env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"})
    return [binary]


def fresh(folder, lock, command):
    """Runs an installing command, unless it ran for this lock file already."""
    marker = folder / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not marker.exists() or marker.read_text() != wanted:
        subprocess.run(command, cwd=folder, check=True)
        marker.write_text(wanted)


@dataclass(frozen=True)
class Program:
    name: str
    command: object
    #: What it is, for the table.
    what: str


PROGRAMS = [
    Program("kcat", lambda: python("with_kcat"), "kcat (librdkafka)"),
    Program("kafka-python", lambda: python("with_kafka_python"), "kafka-python"),
    Program("confluent-kafka", lambda: python("with_confluent"), "confluent-kafka (librdkafka)"),
    Program("kafkajs", kafkajs, "kafkajs on Node"),
    Program("franz-go", franz_go, "franz-go"),
    Program("sluice", lambda: python("with_sluice"), "`sluice topics` and `sluice groups`"),
]


def compactions(bootstrap):
    """Writes to a compacted topic now; what is returned waits until it is compacted and tells what is left. Cleaning takes its time, so
    the other programs run in between.
    """
    config = {"cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "100"}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic("compacted", 1, 1, config=config)]).values():
        future.result(20)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    keyless = []
    for n in range(300):
        producer.produce("compacted", key=f"key-{n % 10}", value=f"value {n}" if n % 10 else None)
    producer.flush(20)
    producer.produce("compacted", value="without a key", on_delivery=lambda error, _: keyless.append(error.name() if error else "taken"))
    producer.flush(20)

    def left():
        """Every record that is still there, the newest left out: it keeps the last segment open."""
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "looks", "enable.auto.commit": False})
        low, high = consumer.get_watermark_offsets(TopicPartition("compacted", 0), 10)
        consumer.assign([TopicPartition("compacted", 0, low)])
        found, until = [], time.monotonic() + 20
        while time.monotonic() < until and (not found or found[-1][0] < high - 1):
            found += [(m.offset(), m.key(), m.value()) for m in consumer.consume(500, 1.0) if not m.error()]
        consumer.close()
        return [f"{offset} {key.decode()} {'null' if value is None else value.decode()}" for offset, key, value in found if key != b"touch"]

    def wait():
        yield "a record without a key", str(keyless)
        found, until = [], time.monotonic() + 60
        while time.monotonic() < until:
            # A record more closes a segment that is old enough.
            producer.produce("compacted", key="touch", value=str(time.monotonic()))
            producer.flush(10)
            found = left()
            if len(found) <= 9:
                break
            time.sleep(0.5)
        yield "the last record of each key, no tombstone", "\n".join(found)

    return wait
