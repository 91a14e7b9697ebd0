"""What an operator does with Kafka's own command-line classes. Each step returns what the tool said, without what may differ."""

import json
import re
import time

from foreign.normal import normal

TOPIC = "operated"
GROUP = "operators"
#: What the product has by itself; on the other broker it is made first, alike.
PRODUCT_TOPIC, PRODUCT_GROUP = "fraud-detection-transactions", "fraud-detection-batch"
ALIKE = ["--partitions", 4, "--config", "retention.ms=5184000000"]


class Operator:
    """One operator at one address; `folder` takes the files that some tools want."""

    def __init__(self, tools, bootstrap, folder):
        self.tools, self.bootstrap, self.folder = tools, bootstrap, folder

    def run(self, script, *arguments, stdin="", seconds=60):
        """Exit code and what was said, as one text."""
        code, said, errors = self.tools.run(script, "--bootstrap-server", self.bootstrap, *arguments, stdin=stdin, seconds=seconds)
        return f"exit {code}\n{normal(said)}\n{normal(errors)}".strip()

    def lines(self, *arguments, **options):
        """The same with the lines in order: tools that ask for several things at once say them in any order."""
        first, *rest = self.run(*arguments, **options).splitlines()
        return "\n".join([first, *sorted(rest)])

    def seen(self, topic, partitions):
        """Waits until the topic is there with so many partitions: a broker hears of it from its controller, a moment after it was made."""
        until = time.monotonic() + 60
        while f"PartitionCount: {partitions} " not in self.run("kafka-topics", "--describe", "--topic", topic) and time.monotonic() < until:
            pass

    def produce(self, topic, lines, *arguments):
        keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
        text = "".join(f"{line}\n" for line in lines)
        return self.run("kafka-console-producer", "--topic", topic, *keyed, *arguments, stdin=text)

    def consume(self, topic, count, *arguments):
        shown = [f"print.{what}=true" for what in ["key", "offset", "partition"]]
        shown = [word for what in shown for word in ["--formatter-property", what]]
        read = ["--topic", topic, "--max-messages", count, "--timeout-ms", 20000, *shown, *arguments]
        code, said, errors = self.tools.run("kafka-console-consumer", "--bootstrap-server", self.bootstrap, *read)
        # How many it read is counted over all consumers of the virtual machine.
        errors = re.sub(r"Processed a total of \d+ messages", "", errors)
        return "\n".join([f"exit {code}", *sorted(said.splitlines()), normal(errors)]).strip()


def product(at):
    at.run("kafka-topics", "--create", "--if-not-exists", "--topic", PRODUCT_TOPIC, *ALIKE)
    at.seen(PRODUCT_TOPIC, 4)
    yield "describe", at.run("kafka-topics", "--describe", "--topic", PRODUCT_TOPIC)
    yield "produce", at.produce(PRODUCT_TOPIC, [f"acc-{n}:{{}}" for n in range(20)])
    yield "console consumer from the beginning", at.consume(PRODUCT_TOPIC, 20, "--from-beginning")
    yield "as a group", at.consume(PRODUCT_TOPIC, 20, "--from-beginning", "--group", PRODUCT_GROUP)
    at.produce(PRODUCT_TOPIC, [f"acc-{n}:{{}}" for n in range(5)])
    yield "the group's lag", at.lines("kafka-consumer-groups", "--describe", "--group", PRODUCT_GROUP)
    yield "create with 3 partitions", at.run("kafka-topics", "--create", "--topic", "operators-own", "--partitions", 3, "--replication-factor", 1)


def topics(at):
    yield "create", at.run("kafka-topics", "--create", "--topic", TOPIC, "--partitions", 3, "--replication-factor", 1)
    at.seen(TOPIC, 3)
    yield "create again", at.run("kafka-topics", "--create", "--topic", TOPIC, "--partitions", 3)
    yield "create if missing", at.run("kafka-topics", "--create", "--topic", TOPIC, "--if-not-exists")
    yield "two replicas", at.run("kafka-topics", "--create", "--topic", "replicated", "--replication-factor", 2)
    yield "no partitions", at.run("kafka-topics", "--create", "--topic", "none", "--partitions", 0)
    yield "bad name", at.run("kafka-topics", "--create", "--topic", "a/b")
    yield "unknown setting", at.run("kafka-topics", "--create", "--topic", "odd", "--config", "no.such=1")
    yield "with settings", at.run("kafka-topics", "--create", "--topic", "set", "--config", "retention.ms=3600000", "--config", "max.message.bytes=2000")
    at.seen("set", 4)
    yield "describe settings", at.run("kafka-topics", "--describe", "--topic", "set")
    yield "describe", at.run("kafka-topics", "--describe", "--topic", TOPIC)
    yield "describe unknown", at.run("kafka-topics", "--describe", "--topic", "missing")
    yield "list", at.run("kafka-topics", "--list", "--topic", f"{TOPIC}|set")
    yield "more partitions", at.run("kafka-topics", "--alter", "--topic", "set", "--partitions", 5)
    yield "fewer partitions", at.run("kafka-topics", "--alter", "--topic", "set", "--partitions", 2)
    at.seen("set", 5)
    yield "describe grown", at.run("kafka-topics", "--describe", "--topic", "set")


def records(at):
    yield "produce", at.produce(TOPIC, [f"account-{n % 7}:payment {n}" for n in range(60)])
    for codec in ["gzip", "snappy", "lz4", "zstd"]:
        yield f"produce {codec}", at.produce(TOPIC, [f"account-{n % 7}:{codec} {n}" for n in range(10)], "--compression-codec", codec)
    yield "produce acks 0", at.produce("set", ["a:1"], "--command-property", "acks=0")
    yield "consume", at.consume(TOPIC, 100, "--from-beginning")
    yield "consume partition", at.consume(TOPIC, 5, "--partition", 0, "--offset", 3)
    yield "consume unknown topic", at.run("kafka-console-consumer", "--topic", "missing-topic", "--partition", 0, "--offset", 0, "--timeout-ms", 3000)
    yield "offsets", at.run("kafka-get-offsets", "--topic", TOPIC)
    yield "earliest offsets", at.run("kafka-get-offsets", "--topic", TOPIC, "--time", "earliest")
    yield "too large", at.produce("set", ["k:" + "x" * 5000], "--sync")


def groups(at):
    group = ["--group", GROUP]
    yield "consume as a group", at.consume(TOPIC, 100, "--from-beginning", *group)
    yield "describe", at.lines("kafka-consumer-groups", "--describe", *group)
    at.produce(TOPIC, [f"account-{n % 7}:later {n}" for n in range(20)])
    yield "describe with lag", at.lines("kafka-consumer-groups", "--describe", *group)
    yield "state", at.run("kafka-consumer-groups", "--describe", "--state", *group)
    yield "members", at.run("kafka-consumer-groups", "--describe", "--members", *group)
    yield "describe unknown", at.run("kafka-consumer-groups", "--describe", "--group", "nobody")
    listed = at.run("kafka-consumer-groups", "--list")
    yield "list", "\n".join(line for line in listed.splitlines() if line in ["exit 0", GROUP])
    listed = at.run("kafka-groups", "--list")
    yield "list all kinds", "\n".join(line for line in listed.splitlines() if GROUP in line or line.startswith("exit"))
    reset = ["kafka-consumer-groups", "--reset-offsets", *group, "--topic", TOPIC]
    yield "reset, tried", at.lines(*reset, "--to-earliest", "--dry-run")
    yield "reset to earliest", at.lines(*reset, "--to-earliest", "--execute")
    yield "reset by shift", at.lines(*reset, "--shift-by", 5, "--execute")
    yield "reset to a time", at.lines(*reset, "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
    yield "reset to latest", at.lines(*reset, "--to-latest", "--execute")
    yield "reset to an offset", at.lines(*reset, "--to-offset", 2, "--execute")
    yield "describe reset", at.lines("kafka-consumer-groups", "--describe", *group)
    yield "delete offsets", at.lines("kafka-consumer-groups", "--delete-offsets", *group, "--topic", f"{TOPIC}:1")
    yield "describe the rest", at.lines("kafka-consumer-groups", "--describe", *group)
    yield "delete", at.run("kafka-consumer-groups", "--delete", *group)
    yield "delete again", at.run("kafka-consumer-groups", "--delete", *group)


def settings(at):
    of = ["--entity-type", "topics", "--entity-name", TOPIC]
    alter = ["kafka-configs", "--alter", *of]
    yield "describe none", at.run("kafka-configs", "--describe", *of)
    yield "set", at.run(*alter, "--add-config", "retention.ms=86400000,cleanup.policy=[compact,delete]")
    yield "describe", at.lines("kafka-configs", "--describe", *of)
    yield "unset", at.run(*alter, "--delete-config", "cleanup.policy")
    yield "describe one", at.run("kafka-configs", "--describe", *of)
    yield "bad value", at.run(*alter, "--add-config", "retention.ms=soon")
    yield "unknown setting", at.run(*alter, "--add-config", "no.such=1")
    yield "unknown topic", at.run("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", "missing", "--add-config", "retention.ms=1")
    yield "append time", at.run(*alter, "--add-config", "message.timestamp.type=LogAppendTime")
    at.produce(TOPIC, ["stamped:1"])
    _, said, _ = at.tools.run(
        *["kafka-console-consumer", "--bootstrap-server", at.bootstrap, "--topic", TOPIC, "--from-beginning", "--max-messages", 121],
        *["--timeout-ms", 20000, "--formatter-property", "print.timestamp=true"],
    )
    yield "append time seen", str(sorted({line.split(":")[0] for line in said.splitlines()}))


def deletions(at):
    file = at.folder / "delete.json"
    file.write_text(json.dumps({"version": 1, "partitions": [{"topic": TOPIC, "partition": p, "offset": o} for p, o in [(0, 4), (1, -1), (2, 1)]]}))
    yield "delete records", at.lines("kafka-delete-records", "--offset-json-file", file)
    yield "earliest after", at.run("kafka-get-offsets", "--topic", TOPIC, "--time", "earliest")
    file.write_text(json.dumps({"version": 1, "partitions": [{"topic": TOPIC, "partition": 0, "offset": 100000}]}))
    yield "delete beyond the end", at.run("kafka-delete-records", "--offset-json-file", file)
    yield "delete topic", at.run("kafka-topics", "--delete", "--topic", "set")
    yield "delete unknown topic", at.run("kafka-topics", "--delete", "--topic", "set")


def transactions(at):
    at.run("kafka-topics", "--create", "--topic", "moved", "--partitions", 1)
    perf = ["kafka-producer-perf-test", "--topic", "moved", "--num-records", 500, "--record-size", 100, "--throughput", -1]
    code, said, _ = at.tools.run(*perf, "--transactional-id", "mover", "--transaction-duration-ms", 20, "--bootstrap-server", at.bootstrap)
    yield "perf test in transactions", f"exit {code}, {said.strip().splitlines()[-1].split(',')[0] if said.strip() else said}"
    read = at.consume("moved", 500, "--from-beginning", "--isolation-level", "read_committed")
    yield "read committed", f"{len([line for line in read.splitlines() if line.startswith('Partition:0')])} records"
    listed = at.run("kafka-transactions", "list")
    listed = [line.split()[0] + " " + line.split()[-1] for line in listed.splitlines() if line.startswith(("TransactionalId", "mover"))]
    yield "list", "\n".join(listed)
    described = at.run("kafka-transactions", "describe", "--transactional-id", "mover").splitlines()
    state = [dict(zip(described[1].split(), line.split())) for line in described[2:]] if len(described) > 2 else described
    yield "describe", str([{k: s.get(k) for k in ["TransactionalId", "TransactionState", "TransactionTimeoutMs"]} for s in state])
    yield "describe unknown", at.run("kafka-transactions", "describe", "--transactional-id", "nobody")
    producers = at.run("kafka-transactions", "describe-producers", "--topic", "moved", "--partition", 0).splitlines()
    yield "describe producers", f"{producers[0]}, {producers[1] if len(producers) > 1 else ''}, {max(len(producers) - 2, 0)} producers"


def speed(at):
    perf = ["kafka-producer-perf-test", "--topic", "speed", "--num-records", 20000, "--record-size", 300, "--throughput", -1]
    at.run("kafka-topics", "--create", "--topic", "speed", "--partitions", 2)
    code, said, _ = at.tools.run(*perf, "--command-property", "acks=all", "--bootstrap-server", at.bootstrap)
    yield "producer perf test", f"exit {code}, {said.strip().splitlines()[-1].split(',')[0] if said.strip() else said}"
    code, said, errors = at.tools.run("kafka-consumer-perf-test", "--bootstrap-server", at.bootstrap, "--topic", "speed", "--num-records", 20000, "--group", "perf")
    last = said.strip().splitlines()[-1].split(",") if said.strip() else [errors]
    yield "consumer perf test", f"exit {code}, {last[4].strip() if len(last) > 4 else last} records"


#: Parts of the table, in order: later ones use what earlier ones have made.
PARTS = [product, topics, records, groups, settings, deletions, transactions, speed]


def steps(tools, bootstrap, folder):
    """All steps: part, step, what was said."""
    at = Operator(tools, bootstrap, folder)
    for part in PARTS:
        for step, outcome in part(at):
            yield part.__name__, step, outcome
