"""Produces, consumes, rebalances and runs transactions against the broker at argv[1]; asserts at every step."""

import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer

address = sys.argv[1]
base = {"bootstrap.servers": address}


def consume(consumer, count, seconds=30):
    values, until = [], time.monotonic() + seconds
    while len(values) < count and time.monotonic() < until:
        for message in consumer.consume(500, 0.5):
            assert not message.error(), message.error()
            values.append(message.value())
    return values


admin = AdminClient(base)
for future in admin.create_topics([NewTopic("transactions", 1, 1), NewTopic("numbers", 4, 1)]).values():
    future.result(10)

# confluent-kafka: idempotent, every codec; two members share a group.
for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    producer = Producer({**base, "enable.idempotence": True, "compression.type": codec, "linger.ms": 5})
    for n in range(500):
        producer.produce("numbers", key=str(n), value=f"{codec}-{n}")
    assert producer.flush(20) == 0
group = {**base, "group.id": "pair", "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
first, second = Consumer(group), Consumer(group)
first.subscribe(["numbers"])
values = consume(first, 2500)
assert len(values) == 2500, len(values)
first.commit(asynchronous=False)
second.subscribe(["numbers"])
until = time.monotonic() + 30
while time.monotonic() < until and not (len(first.assignment()) == 2 and len(second.assignment()) == 2):
    first.poll(0.1), second.poll(0.1)
assert len(first.assignment()) == 2 and len(second.assignment()) == 2
first.close(), second.close()
third = Consumer(group)
committed = third.committed([TopicPartition("numbers", p) for p in range(4)], 10)
assert sum(p.offset for p in committed) == 2500, committed
third.close()

# Transactions, with a group's offsets in one of them.
producer = Producer({**base, "transactional.id": "writer"})
producer.init_transactions(20)
producer.begin_transaction()
producer.produce("transactions", "kept")
producer.commit_transaction(20)
producer.begin_transaction()
producer.produce("transactions", "dropped")
producer.flush(10)
producer.abort_transaction(20)
reader = Consumer({**base, "group.id": "offsets"})
producer.begin_transaction()
producer.produce("transactions", "kept too")
producer.send_offsets_to_transaction([TopicPartition("numbers", 0, 77)], reader.consumer_group_metadata(), 20)
producer.commit_transaction(20)
assert reader.committed([TopicPartition("numbers", 0)], 10)[0].offset == 77
reader.close()
reader = Consumer(
    {**base, "group.id": "committed", "auto.offset.reset": "earliest", "isolation.level": "read_committed"}
)
reader.subscribe(["transactions"])
assert consume(reader, 2) == [b"kept", b"kept too"]
reader.close()

# kafka-python.
producer = KafkaProducer(bootstrap_servers=address, acks="all", compression_type="gzip")
for future in [producer.send("events", b"from python %d" % n) for n in range(200)]:
    future.get(20)
producer.close()
consumer = KafkaConsumer(
    "events", bootstrap_servers=address, group_id="python", auto_offset_reset="earliest", consumer_timeout_ms=20000
)
seen = 0
for message in consumer:
    assert message.value.startswith(b"from python")
    seen += 1
    if seen == 200:
        break
assert seen == 200, seen
consumer.commit()
consumer.close()
print("all done")
