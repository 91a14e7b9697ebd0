"""The small job of `sluice bench stream` as a Python service would do it: confluent-kafka in batches of 500, three windows a user
(count and sum over 10 minutes, 1 hour, 24 hours), five rules, JSON in, JSON out. One process, no model, no durable state: what is in
memory is lost with the process, which flatters this script.

Usage: kafka_windows.py BOOTSTRAP INPUT_TOPIC OUTPUT_TOPIC EVENTS. Prints one JSON line: events, seconds, events_per_second,
cpu_seconds, peak_memory_mb.
"""
import json
import resource
import sys
import time
from collections import defaultdict, deque
from datetime import datetime

from confluent_kafka import Consumer, Producer, TopicPartition

WINDOWS = (600.0, 3600.0, 86400.0)


def peak_memory_mb():
    # Not getrusage: its maximum is handed down from the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6


def main(bootstrap, topic, output, wanted):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "peer", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 1000000})
    state = [defaultdict(lambda: [deque(), 0.0]) for _ in WINDOWS]
    done, begun = 0, time.perf_counter()
    while done < wanted:
        for message in consumer.consume(500, timeout=1.0):
            if message.error():
                continue
            event = json.loads(message.value())
            at = datetime.fromisoformat(event["event_time"].replace("Z", "+00:00")).timestamp()
            amount, values = event["amount"], []
            for length, table in zip(WINDOWS, state):
                entry = table[event["account_id"]]
                queue = entry[0]
                while queue and queue[0][0] < at - length:
                    entry[1] -= queue.popleft()[1]
                queue.append((at, amount))
                entry[1] += amount
                values += [len(queue), entry[1]]
            c10, _, _, s1, c24, s24 = values
            hits = [
                name
                for name, hit in (
                    ("r1", c10 > 20),
                    ("r2", s1 > 20000),
                    ("r3", amount > 5000 and event["channel"] == "online"),
                    ("r4", c24 > 200 and s24 > 50000),
                    ("r5", c24 > 5 and amount > 10 * s24 / c24),
                )
                if hit
            ]
            decision = {"transaction_id": event["transaction_id"], "decision": "review" if hits else "allow", "hits": hits}
            producer.produce(output, json.dumps(decision), message.key())
            done += 1
        producer.poll(0)
    producer.flush(60)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    outcome = {"events": done, "seconds": seconds, "events_per_second": done / seconds}
    print(json.dumps({**outcome, "cpu_seconds": used.ru_utime + used.ru_stime, "peak_memory_mb": peak_memory_mb()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
