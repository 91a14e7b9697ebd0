"""Speaks TLS and SASL to the broker at argv[1], with the authority's certificate at argv[2]; asserts at every step.

There are the users `app` (writes and reads topics, groups and transactional ids that begin with `app`) and `guest` (nothing).
"""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka import errors as kafka_python_errors

address, authority = sys.argv[1], sys.argv[2]
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def confluent(mechanism, user="app", password="app's password", **more):
    return {
        "bootstrap.servers": address,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": authority,
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        **{key.replace("_", "."): value for key, value in more.items()},
    }


def python(mechanism, user="app", password="app's password"):
    return {
        "bootstrap_servers": address,
        "security_protocol": "SASL_SSL",
        "ssl_cafile": authority,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }


def consume(config, topic, count):
    consumer = Consumer({**config, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values = []
    while len(values) < count:
        message = consumer.poll(30)
        assert message is not None and not message.error(), message and message.error()
        values.append(message.value())
    consumer.commit(asynchronous=False)
    consumer.close()
    return values


admin = AdminClient(confluent("PLAIN"))
for future in admin.create_topics([NewTopic("app-events", 1, 1)]).values():
    future.result(30)

# Each mechanism, each client: what one writes, all read.
expected = []
for mechanism in MECHANISMS:
    delivered = []
    producer = Producer(confluent(mechanism, enable_idempotence=True))
    for n in range(20):
        value = f"{mechanism} {n}".encode()
        expected.append(value)
        producer.produce("app-events", value, on_delivery=lambda error, _: delivered.append(error))
    assert producer.flush(30) == 0 and delivered == [None] * 20, delivered
    assert consume(confluent(mechanism, group_id=f"app-{mechanism}"), "app-events", len(expected)) == expected

    producer = KafkaProducer(**python(mechanism), acks="all")
    value = f"python {mechanism}".encode()
    expected.append(value)
    producer.send("app-events", value).get(30)
    producer.close()
    consumer = KafkaConsumer(
        "app-events",
        **python(mechanism),
        group_id=f"app-python-{mechanism}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=30000,
    )
    values = [next(consumer).value for _ in expected]
    assert values == expected, values
    consumer.close()

# A transaction.
producer = Producer(confluent("SCRAM-SHA-512", transactional_id="app-writer"))
producer.init_transactions(30)
producer.begin_transaction()
producer.produce("app-events", b"in a transaction")
producer.commit_transaction(30)


def refused(config, code):
    """The error that a client reports: not always the first, which may be the connection that it lost."""
    seen = []
    client = Producer({**config, "error_cb": lambda error: seen.append(error.code())})
    for _ in range(300):
        client.poll(0.1)
        if code in seen:
            return
    raise AssertionError(f"{code} never came, but {seen}")


# Wrong passwords, and certificates from nobody known.
for mechanism in MECHANISMS:
    for user, password in [("app", "wrong"), ("nobody", "app's password")]:
        refused(confluent(mechanism, user, password), KafkaError._AUTHENTICATION)
    try:
        KafkaProducer(**python(mechanism, password="wrong"), bootstrap_timeout_ms=10000)
        raise AssertionError("kafka-python was let in with a wrong password")
    except kafka_python_errors.KafkaError:
        pass
strangers = confluent("PLAIN")
del strangers["ssl.ca.location"]
refused(strangers, KafkaError._SSL)

# Rights.
failures = []
producer = Producer(confluent("SCRAM-SHA-512", "guest", "guest's password"))
producer.produce("app-events", b"from a guest", on_delivery=lambda error, _: failures.append(error))
producer.flush(30)
assert [error.code() for error in failures] == [KafkaError.TOPIC_AUTHORIZATION_FAILED], failures
guest = AdminClient(confluent("PLAIN", "guest", "guest's password"))
assert not guest.list_topics(timeout=30).topics
consumer = Consumer(confluent("PLAIN", group_id="others"))
consumer.subscribe(["app-events"])
message = consumer.poll(30)
assert message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED, message.error()
consumer.close()
try:
    Producer(confluent("PLAIN", transactional_id="others")).init_transactions(30)
    raise AssertionError("a transactional id that is not the user's was given")
except KafkaException as error:
    assert error.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, error
print("all done")
