#!/usr/bin/env python3
"""kafka-python: topics, records with headers, groups, seeking, offsets by time, and its admin client."""

import re

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from say import bootstrap, say


def attempt(act):
    """The name of the error, or the result."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - its name is what is compared
        return type(error).__name__


TOPIC = "python"
# Its records are of 1970, which Kafka's retention would delete within the run: it goes by their own time.
KEPT = {"retention.ms": "-1"}
admin = KafkaAdminClient(bootstrap_servers=bootstrap())
say("create", attempt(lambda: admin.create_topics([NewTopic(TOPIC, 2, 1, topic_configs=KEPT)]) and "made"))
say("create again", attempt(lambda: admin.create_topics([NewTopic(TOPIC, 2, 1, topic_configs=KEPT)]) and "made"))
producer = KafkaProducer(bootstrap_servers=bootstrap(), acks="all")
placed = [producer.send(TOPIC, b"value %d" % n, key=b"key %d" % (n % 5), headers=[("n", b"%d" % n)], timestamp_ms=1000 + n).get(20) for n in range(50)]
say("produce", sorted((p.partition, p.offset) for p in placed))
producer.close()
consumer = KafkaConsumer(TOPIC, bootstrap_servers=bootstrap(), group_id="python", auto_offset_reset="earliest", consumer_timeout_ms=20000)
seen = []
for message in consumer:
    seen.append((message.partition, message.offset, message.key, message.value, message.headers, message.timestamp))
    if len(seen) == 50:
        break
say("consume as a group", sorted(seen))
consumer.commit()
partitions = [TopicPartition(TOPIC, p) for p in range(2)]
say("committed", sorted((p.partition, consumer.committed(p)) for p in partitions))
say("beginning offsets", sorted((p.partition, o) for p, o in consumer.beginning_offsets(partitions).items()))
say("end offsets", sorted((p.partition, o) for p, o in consumer.end_offsets(partitions).items()))
times = consumer.offsets_for_times({p: 1025 for p in partitions})
say("offsets for a time", sorted((p.partition, o.offset, o.timestamp) if o else (p.partition, None) for p, o in times.items()))
say("describe the group", attempt(lambda: str(admin.describe_groups(["python"])).count("Stable")))
consumer.close()
offsets = attempt(lambda: str(admin.list_group_offsets("python")))
say("group offsets", sorted(re.findall(r"partition=(\d+)\).*?offset=(\d+)", offsets)) or offsets)
say("set a setting", attempt(lambda: admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, {"retention.ms": "7200000"})]) and "done"))
described = attempt(lambda: str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)])))
say("describe settings", ["7200000" in described, "segment.bytes" in described])
say("more partitions", attempt(lambda: admin.create_partitions({TOPIC: NewPartitions(4)}) and "done"))
say("delete the group", attempt(lambda: admin.delete_groups(["python"]) and "done"))
say("delete", attempt(lambda: admin.delete_topics([TOPIC]) and "done"))
say("delete again", attempt(lambda: admin.delete_topics([TOPIC]) and "done"))
admin.close()
