#!/usr/bin/env python3
"""confluent-kafka: idempotent and transactional producing, groups with rebalances, and its admin client."""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType
from say import bootstrap, say

BASE = {"bootstrap.servers": bootstrap()}
TOPIC = "confluent"
admin = AdminClient(BASE)


def outcome(future):
    """The result of a call, or its error's name."""
    try:
        return future.result(20)
    except KafkaException as error:
        return error.args[0].name()


def consume(consumer, count, seconds=30):
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += [m for m in consumer.consume(500, 0.5) if not m.error()]
    return found


def reader(group, **more):
    return Consumer({**BASE, "group.id": group, "auto.offset.reset": "earliest", **more})


for times in ["", " again"]:
    say(f"create{times}", [outcome(f) for f in admin.create_topics([NewTopic(TOPIC, 3, 1), NewTopic("moved-by-confluent", 1, 1)]).values()])
for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    producer = Producer({**BASE, "enable.idempotence": True, "compression.type": codec})
    for n in range(100):
        producer.produce(TOPIC, key=f"{n}", value=f"{codec} {n}", headers={"n": str(n)})
    say(f"produce {codec}", producer.flush(20))
first, second = reader("pair"), reader("pair")
first.subscribe([TOPIC])
say("consume as a group", sorted((m.partition(), m.offset(), m.value(), m.headers()) for m in consume(first, 500)))
first.commit(asynchronous=False)
second.subscribe([TOPIC])
until = time.monotonic() + 30
while time.monotonic() < until and {len(first.assignment()), len(second.assignment())} != {1, 2}:
    first.poll(0.1)
    second.poll(0.1)
say("a second member shares", sorted([len(first.assignment()), len(second.assignment())]))
described = outcome(admin.describe_consumer_groups(["pair"])["pair"])
say("describe the group", (described.state.name, described.partition_assignor, len(described.members)))
first.close()
second.close()
groups = admin.list_consumer_groups().result(20).valid
say("list groups", [(g.group_id, g.state.name) for g in groups if g.group_id == "pair"])
committed = outcome(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("pair")])["pair"])
say("committed", sorted((p.partition, p.offset) for p in committed.topic_partitions))
moved = ConsumerGroupTopicPartitions("pair", [TopicPartition(TOPIC, 0, 3)])
say("alter offsets", [(p.partition, p.offset, str(p.error)) for p in outcome(admin.alter_consumer_group_offsets([moved])["pair"]).topic_partitions])

# Transactions, with a group's offsets in one of them, a fenced producer, and one that comes too late.
producer = Producer({**BASE, "transactional.id": "confluent-writer", "transaction.timeout.ms": 60000})
producer.init_transactions(20)
for value, commits in [("kept", True), ("dropped", False)]:
    producer.begin_transaction()
    producer.produce("moved-by-confluent", value)
    producer.flush(20)
    producer.commit_transaction(20) if commits else producer.abort_transaction(20)
offsets = reader("moved")
producer.begin_transaction()
producer.produce("moved-by-confluent", "kept too")
producer.send_offsets_to_transaction([TopicPartition(TOPIC, 0, 7)], offsets.consumer_group_metadata(), 20)
producer.commit_transaction(20)
say("offsets of a transaction", [p.offset for p in offsets.committed([TopicPartition(TOPIC, 0)], 20)])
offsets.close()
for isolation, count in [("read_committed", 2), ("read_uncommitted", 3)]:
    consumer = reader(isolation, **{"isolation.level": isolation})
    consumer.subscribe(["moved-by-confluent"])
    say(isolation, [m.value() for m in consume(consumer, count)])
    consumer.close()
rival = Producer({**BASE, "transactional.id": "confluent-writer"})
rival.init_transactions(20)
try:
    producer.begin_transaction()
    producer.produce("moved-by-confluent", "fenced")
    producer.commit_transaction(20)
    say("a fenced producer", "commits")
except KafkaException as error:
    say("a fenced producer", error.args[0].fatal())
late = Producer({**BASE, "transactional.id": "late", "transaction.timeout.ms": 1000})
late.init_transactions(20)
late.begin_transaction()
late.produce("moved-by-confluent", "too late")
late.flush(20)
end = None
until = time.monotonic() + 30
while time.monotonic() < until and end != "past it":
    # The open transaction holds readers back until it is aborted.
    last = outcome(admin.list_offsets({TopicPartition("moved-by-confluent", 0): OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED)[TopicPartition("moved-by-confluent", 0)])
    all_of_it = outcome(admin.list_offsets({TopicPartition("moved-by-confluent", 0): OffsetSpec.latest()})[TopicPartition("moved-by-confluent", 0)])
    end = "past it" if last.offset == all_of_it.offset else "held back"
say("a transaction that times out is aborted", end)

resource = ConfigResource(ResourceType.TOPIC, TOPIC)
change = ConfigResource(
    ResourceType.TOPIC, TOPIC, incremental_configs=[ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET)]
)
say("set a setting", [outcome(f) for f in admin.incremental_alter_configs([change]).values()])
settings = outcome(admin.describe_configs([resource])[resource])
say("describe settings", [(name, settings[name].value) for name in ["retention.ms", "cleanup.policy", "compression.type", "message.timestamp.type"]])
say("more partitions", [outcome(f) for f in admin.create_partitions([NewPartitions(TOPIC, 4)]).values()])
deleted = outcome(admin.delete_records([TopicPartition(TOPIC, 0, 5)])[TopicPartition(TOPIC, 0, 5)])
say("delete records", deleted.low_watermark)
until = time.monotonic() + 20
while True:
    topics = outcome(admin.describe_topics(TopicCollection([TOPIC]))[TOPIC])
    # Added partitions are seen a moment later on a broker that hears of them from its controller.
    if len(topics.partitions) == 4 or time.monotonic() > until:
        break
say("describe", (topics.name, len(topics.partitions), topics.is_internal))
cluster = outcome(admin.describe_cluster())
say("describe the cluster", (len(cluster.nodes), cluster.controller is not None))
say("delete groups", [outcome(f) for f in admin.delete_consumer_groups(["pair", "moved"]).values()])
for times in ["", " again"]:
    say(f"delete{times}", [outcome(f) for f in admin.delete_topics([TOPIC]).values()])
