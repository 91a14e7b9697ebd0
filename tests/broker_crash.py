#!/usr/bin/env python3
"""kill -9 of the broker while plain, idempotent and transactional producers write, again and again on the same data; then what a
consumer reads is held against what the producers saw acknowledged: every acknowledged record is there, in its place, in order and
once; of a transaction all or nothing, and nothing of an aborted one.

The producers live through the kills, as those of a shop would: an idempotent one sends what was not acknowledged again, a
transactional one goes on or begins anew with the same id.
"""

import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness.instance import Instance, NotReady, Workspace, arguments
from harness.report import Report

PARTITIONS = 2
# Of 100 records of a round, and how many make a transaction.
SHARES = {"plain": 40, "idempotent": 40, "transactional": 20}
TRANSACTION = 50
PATIENCE = 180


def client(instance, **more):
    settings = {"bootstrap.servers": instance.kafka, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0}
    return {**settings, **{key.replace("_", "."): value for key, value in more.items()}}


def sender(instance, **more):
    return Producer(client(instance, acks="all", linger_ms=2, batch_num_messages=50, message_timeout_ms=PATIENCE * 1000, **more))


class Stream:
    """One producer's records, numbered from 0 in each partition, and what became of them."""

    def __init__(self, instance, topic, **more):
        self.topic = topic
        self.producer = sender(instance, **more)
        self.sent = [0] * PARTITIONS
        # By partition: number of the record -> the offset that it was acknowledged with.
        self.acknowledged = [{} for _ in range(PARTITIONS)]
        self.failed = 0

    def delivered(self, partition, number):
        def told(error, message):
            if error:
                self.failed += 1
            else:
                self.acknowledged[partition][number] = message.offset()

        return told

    def count(self):
        return sum(len(known) for known in self.acknowledged)

    def run(self, records, dice):
        """Sends so many records and waits until each was acknowledged or given up."""
        for _ in range(records):
            partition = dice.randrange(PARTITIONS)
            number = self.sent[partition]
            self.sent[partition] += 1
            told = self.delivered(partition, number)
            self.producer.produce(self.topic, str(number), partition=partition, on_delivery=told)
            if number % 20 == 0:
                self.producer.poll(0.001)
        if self.producer.flush(PATIENCE) != 0:
            raise AssertionError(f"{self.topic}: records are neither acknowledged nor given up")


class Transactions:
    """A transactional producer: what it committed, what it aborted, and what it does not know of."""

    def __init__(self, instance, topic, transactional_id):
        self.instance, self.topic, self.id = instance, topic, transactional_id
        self.outcomes = {}
        self.producer = None
        self.restarts = 0

    def count(self):
        return TRANSACTION * sum(1 for outcome in self.outcomes.values() if outcome == "committed")

    def begin_anew(self):
        until_seconds = time.monotonic() + PATIENCE
        while True:
            self.producer = sender(self.instance, transactional_id=self.id, transaction_timeout_ms=PATIENCE * 1000)
            try:
                return self.producer.init_transactions(30)
            except KafkaException:
                if time.monotonic() > until_seconds:
                    raise

    def run(self, records, dice):
        if self.producer is None:
            self.begin_anew()
        for _ in range(records // TRANSACTION):
            number = len(self.outcomes)
            commits = dice.random() < 0.75
            self.outcomes[number] = "unknown"
            self.outcomes[number] = self.one(number, commits, dice)

    def one(self, number, commits, dice):
        try:
            self.producer.begin_transaction()
            for n in range(TRANSACTION):
                self.producer.produce(self.topic, f"{number} {n}", partition=dice.randrange(PARTITIONS))
            if commits:
                return self.finish(self.producer.commit_transaction, "committed")
            self.producer.flush(PATIENCE)
            return self.finish(self.producer.abort_transaction, "aborted")
        except KafkaException as error:
            reason = error.args[0]
            if reason.txn_requires_abort():
                try:
                    return self.finish(self.producer.abort_transaction, "aborted")
                except KafkaException:
                    pass
            # Whether it was committed nobody can tell: a new producer of the same id ends what is open.
            self.restarts += 1
            self.begin_anew()
            return "unknown"

    def finish(self, end, outcome):
        until_seconds = time.monotonic() + PATIENCE
        while True:
            try:
                end(30)
                return outcome
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until_seconds:
                    raise


def restart(instance, address):
    """On the same port, which may be taken for a moment by somebody's outgoing connection."""
    for attempt in range(20):
        try:
            instance.listen = address
            instance.start()
            return
        except NotReady:
            if attempt == 19:
                raise
            time.sleep(0.5)


def kill_round(instance, producers, records, dice):
    """Lets all producers write, kills the broker somewhere in the middle, starts it again, and waits for the producers to end."""
    before = sum(p.count() for p in producers.values())
    at = dice.uniform(0.05, 0.85) * records
    errors = []

    def guarded(name, producer, seed):
        try:
            producer.run(records * SHARES[name] // 100, random.Random(seed))
        except Exception as error:  # noqa: BLE001 - told by the check
            errors.append(f"{name}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=guarded, args=(name, p, dice.random())) for name, p in producers.items()]
    for thread in threads:
        thread.start()
    while sum(p.count() for p in producers.values()) - before < at and any(t.is_alive() for t in threads):
        time.sleep(0.001)
    meanwhile = any(thread.is_alive() for thread in threads)
    address = instance.kafka
    instance.kill()
    restart(instance, address)
    for thread in threads:
        thread.join(PATIENCE * 2)
    if any(thread.is_alive() for thread in threads):
        errors.append("a producer hangs")
    return meanwhile, errors


def read(instance, topic, isolation):
    """Every partition's records in order: [(offset, value)]."""
    reader = Consumer(
        client(instance, group_id=f"check-{time.monotonic_ns()}", isolation_level=isolation, enable_auto_commit=False, enable_partition_eof=True)
    )
    found = []
    for partition in range(PARTITIONS):
        reader.assign([TopicPartition(topic, partition, 0)])
        records = []
        end = time.monotonic() + PATIENCE
        while True:
            message = reader.poll(1.0)
            if message is None:
                if time.monotonic() > end:
                    raise AssertionError(f"{topic}/{partition} cannot be read to its end")
            elif message.error():
                if message.error().code() == -191:
                    break
                raise KafkaException(message.error())
            else:
                records.append((message.offset(), message.value().decode()))
        found.append(records)
    reader.close()
    return found


def check_plain(report, stream, found):
    """Never sent twice: what is there is there once and in order, and all that was acknowledged is there, where it was said to be."""
    lost = 0
    for partition, records in enumerate(found):
        numbers = [int(value) for _, value in records]
        report.check(f"plain/{partition}: in order, none twice", all(a < b for a, b in zip(numbers, numbers[1:])))
        places = {int(value): offset for offset, value in records}
        known = stream.acknowledged[partition]
        lost += sum(1 for number, offset in known.items() if places.get(number) != offset)
    report.equal("plain: acknowledged records that are not where they were said to be", lost, 0)
    return lost


def check_idempotent(report, stream, found):
    """All that was sent is there: exactly once, without a gap, in order."""
    lost = 0
    for partition, records in enumerate(found):
        numbers = [int(value) for _, value in records]
        lost += len(set(range(stream.sent[partition])) - set(numbers))
        report.equal(f"idempotent/{partition}: every record once, in order", numbers == list(range(stream.sent[partition])), True)
    report.equal("idempotent: records given up", stream.failed, 0)
    return lost


def check_transactions(report, transactions, found):
    seen = {}
    for partition, records in enumerate(found):
        last = (-1, -1)
        ordered = True
        for _, value in records:
            number, n = (int(word) for word in value.split())
            ordered = ordered and (number, n) > last
            last = (number, n)
            seen.setdefault(number, []).append(n)
        report.check(f"transactional/{partition}: in order, none twice", ordered)
    whole = {number for number, records in seen.items() if sorted(records) == list(range(TRANSACTION))}
    partial = sorted(set(seen) - whole)
    report.equal("transactions of which a part alone shows", partial, [])
    by = {outcome: {n for n, o in transactions.outcomes.items() if o == outcome} for outcome in ["committed", "aborted", "unknown"]}
    lost = by["committed"] - whole
    report.equal("committed transactions that do not show", sorted(lost), [])
    report.equal("aborted transactions that show", sorted(by["aborted"] & set(seen)), [])
    return len(lost) * TRANSACTION, by


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=10_000, help="records a round")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    report = Report("broker_crash")
    with Workspace("broker-crash", args.keep) as folder, Instance(args.sluice, folder, options=["--no-store"]) as instance:
        instance.start()
        topics = {name: f"crash-{name}" for name in SHARES}
        admin = AdminClient(client(instance))
        made = admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics.values()])
        for future in made.values():
            future.result(30)
        producers = {
            # Without retries, so that a record is acknowledged or given up, and never sent twice.
            "plain": Stream(instance, topics["plain"], retries=0),
            "idempotent": Stream(instance, topics["idempotent"], enable_idempotence=True),
            "transactional": Transactions(instance, topics["transactional"], "crash-writer"),
        }
        in_the_middle, errors = 0, []
        for number in range(args.rounds):
            started = time.monotonic()
            meanwhile, said = kill_round(instance, producers, args.records, dice)
            in_the_middle += meanwhile
            errors += said
            total = sum(p.count() for p in producers.values())
            print(f"round {number + 1}: {time.monotonic() - started:.1f} s, {total} acknowledged so far", flush=True)
        report.equal("what producers said", errors, [])
        report.check(f"kills in the middle of writing: {in_the_middle} of {args.rounds}", in_the_middle >= (args.rounds + 1) // 2)
        lost = check_plain(report, producers["plain"], read(instance, topics["plain"], "read_uncommitted"))
        lost += check_idempotent(report, producers["idempotent"], read(instance, topics["idempotent"], "read_uncommitted"))
        lost_in_transactions, by = check_transactions(
            report, producers["transactional"], read(instance, topics["transactional"], "read_committed")
        )
        lost += lost_in_transactions
        plain = producers["plain"]
        print(f"plain: {sum(plain.sent)} sent, {plain.count()} acknowledged, {plain.failed} given up")
        print(f"transactions: { {outcome: len(found) for outcome, found in by.items()} }, {producers['transactional'].restarts} begun anew")
        report.check("something was acknowledged of each kind", all(p.count() > 0 for p in producers.values()))
        report.check("transactions were aborted too", len(by["aborted"]) > 0)
        code, _ = instance.stop()
        report.equal("the last one stops by itself", code, 0)
        sent = sum(plain.sent) + sum(producers["idempotent"].sent) + TRANSACTION * len(producers["transactional"].outcomes)
        report.table(["fault", "injected", "lost"], [[f"kill -9 of the broker under {sent} records", args.rounds, lost]])
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
