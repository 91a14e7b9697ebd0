"""Topics through a foreign client (librdkafka): produce with every acknowledgement kept, and read a topic to its end."""

import threading

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient


def partitions(bootstrap, topic):
    """Partition numbers of a topic; none where there is no such topic."""
    metadata = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=10).topics.get(topic)
    return sorted(metadata.partitions) if metadata is not None and metadata.error is None else []


class Reader:
    """Reads a topic from its beginning, committed records only, and remembers how far it came."""

    def __init__(self, bootstrap, topic):
        self.topic = topic
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"reader-{topic}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "check.crcs": True,
                "log_level": 0,
            }
        )
        self.parts = partitions(bootstrap, topic)
        self.position = {}
        if self.parts:
            starts = [TopicPartition(topic, p, self._ends(p)[0]) for p in self.parts]
            self.position = {s.partition: s.offset for s in starts}
            self.consumer.assign(starts)

    def _ends(self, partition):
        return self.consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=10, cached=False)

    def ends(self):
        return {p: self._ends(p)[1] for p in self.parts}

    def to_end(self, ends=None, seconds=60):
        """Messages up to the topic's ends as they are now (or as given), as they come."""
        ends = ends or self.ends()
        idle = 0.0
        while any(self.position[p] < end for p, end in ends.items()):
            messages = self.consumer.consume(1000, timeout=0.2)
            idle = 0.0 if messages else idle + 0.2
            assert idle < seconds, f"{self.topic}: nothing came for {seconds} s at {self.position}, ends {ends}"
            for message in messages:
                partition, error = message.partition(), message.error()
                if error is None:
                    self.position[partition] = message.offset() + 1
                    yield message
                else:
                    # The end is told apart, because control and aborted records before it are not handed out.
                    assert error.code() == KafkaError._PARTITION_EOF, f"{self.topic}: {error}"
                    self.position[partition] = max(self.position[partition], message.offset())

    def close(self):
        self.consumer.close()


def read_all(bootstrap, topic):
    """Every committed record of a topic, up to its end as it is now."""
    reader = Reader(bootstrap, topic)
    try:
        return list(reader.to_end())
    finally:
        reader.close()


class Sender:
    """Produces with acks from all; `sent` calls back with the id of each record that was acknowledged, and its place."""

    def __init__(self, bootstrap, acknowledged, **settings):
        self.acknowledged = acknowledged
        self.failed = {}
        self.lock = threading.Lock()
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.timeout.ms": 10_000,
                "message.max.bytes": 64_000_000,
                "log_level": 0,
                # A broker that is killed is part of the test; nothing needs to be printed about it.
                "error_cb": lambda _: None,
                **settings,
            }
        )

    def send(self, topic, mark, value, key=None, **place):
        """Queues one record; waits while the queue is full."""

        def delivered(error, message):
            if error is None:
                self.acknowledged(mark, message)
            else:
                with self.lock:
                    self.failed[mark] = error

        while True:
            try:
                self.producer.produce(topic, value=value, key=key, on_delivery=delivered, **place)
                self.producer.poll(0)
                return
            except BufferError:
                self.producer.poll(0.05)

    def flush(self, seconds=30):
        """Waits for all answers; returns how many are still open."""
        return self.producer.flush(seconds)

    def give_up(self):
        """Drops what has no answer (its broker is gone)."""
        self.producer.purge(in_queue=True, in_flight=True)
        self.producer.flush(1)
