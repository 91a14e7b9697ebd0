#!/usr/bin/env python3
"""Who may speak to the embedded broker of a running instance: what is open to everybody is refused, users are made, given rights,
another password, and removed while the instance runs and clients are connected over TLS.
"""

import json
import subprocess
import sys

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from harness.instance import Instance, NotReady, Workspace, arguments, until
from harness.payments import TOPIC
from harness.report import Report


def certificate(folder):
    """A certificate for this machine, and its key."""
    files = folder / "server.crt", folder / "server.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["-keyout", str(files[1]), "-out", str(files[0])]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return files


def users(instance, *words, typed=None):
    """`sluice users`: the exit code, and what it said as JSON, or else as text."""
    command = [str(instance.binary), "users", *words, "--data", str(instance.data), "--output", "json"]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=False, env=instance.environment)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


def settings(instance, authority, user, password, mechanism="SCRAM-SHA-512", **more):
    return {
        "bootstrap.servers": instance.kafka,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(authority),
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        "log_level": 0,
        **{key.replace("_", "."): value for key, value in more.items()},
    }


def send(producer, value=b"{}"):
    """Sends one record; the error it ended with, if any."""
    ended = []
    producer.produce(TOPIC, value, on_delivery=lambda error, _: ended.append(error))
    producer.flush(30)
    return ended[0].code() if ended and ended[0] else None if ended else "nothing"


def first_error(config, seconds=30):
    """What a client with these settings is told first."""
    told = []
    client = Producer({**config, "error_cb": lambda error: told.append(error.code())})
    until("an error of the client", lambda: client.poll(0.05) or told, seconds)
    return told[0]


def refused_where_open_to_everybody(report, args, folder):
    instance = Instance(args.sluice, folder / "open")
    (folder / "open").mkdir()
    instance.listen = "0.0.0.0:0"
    try:
        instance.start()
        report.check("not open to everybody without a word", False, "it started")
        instance.kill()
    except NotReady as error:
        said = str(error)
        report.check("not open to everybody without a word", "could read and write every topic" in said and "--kafka-authentication" in said, said)
    instance.options = ["--kafka-authentication", "none"]
    instance.start()
    report.check("open to everybody where it is said", instance.is_running())
    instance.stop()


def lives_of_users(report, instance, authority):
    code, said = users(instance, "add", "shop", "--write", TOPIC)
    report.check("a user is made, with a password", code == 0 and len(said["password"]) >= 20, said)
    shop = settings(instance, authority, "shop", said["password"])
    code, said = users(instance, "add", "shop")
    report.check("a name is given once", code == 1 and "`sluice users grant`" in said, said)
    code, said = users(instance, "add", "billing", "--read", "decisions,alerts", "--group", "billing*", "--password-stdin", typed="pass word\n")
    report.check("a password is taken from standard input, and not shown", code == 0 and "password" not in said, said)
    _, listed = users(instance, "list")
    report.equal("users are listed", [user["user"] for user in listed], ["billing", "shop"])

    producer = Producer(shop)
    report.equal("a user writes what it may", send(producer), None)
    billing = settings(instance, authority, "billing", "pass word", mechanism="PLAIN", group_id="billing-1", auto_offset_reset="earliest")
    admin = AdminClient(billing)
    seen = sorted(admin.list_topics(timeout=30).topics)
    report.equal("a user sees the topics of its own", seen, ["alerts", "decisions"])
    report.equal("and writes none", send(Producer(billing | {"client.id": "writer"})), KafkaError.TOPIC_AUTHORIZATION_FAILED)
    consumer = Consumer(billing)
    consumer.subscribe(["decisions"])
    consumer.poll(2)
    report.check("a consumer joins its group", until("an assignment", lambda: consumer.poll(0.1) or consumer.assignment()))
    consumer.close()
    report.equal("a wrong password", first_error(shop | {"sasl.password": "wrong"}), KafkaError._AUTHENTICATION)
    report.equal("nobody's name", first_error(shop | {"sasl.username": "nobody"}), KafkaError._AUTHENTICATION)
    clear = {"bootstrap.servers": instance.kafka, "log_level": 0}
    report.check("clear text", first_error(clear) in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN))

    users(instance, "grant", "shop", "--read", "alerts")
    until("the right is gone", lambda: send(producer) == KafkaError.TOPIC_AUTHORIZATION_FAILED)
    report.check("a right that is taken back is gone while connected", True)
    users(instance, "grant", "shop", "--write", "fraud-*")
    # This client gives a topic up that it was refused; another one asks anew.
    until("the right is back", lambda: send(Producer(shop)) is None)
    report.check("a right that is given back counts within seconds", True)

    users(instance, "password", "shop", "--password-stdin", typed="another\n")
    report.equal("an old password", first_error(shop), KafkaError._AUTHENTICATION)
    report.equal("a new password", send(Producer(shop | {"sasl.password": "another"})), None)
    code, _ = users(instance, "remove", "shop")
    report.equal("a user is removed", code, 0)
    report.equal("who was removed", first_error(shop | {"sasl.password": "another"}), KafkaError._AUTHENTICATION)
    code, said = users(instance, "remove", "biling")
    report.check("the nearest name is told", code == 1 and "`billing`" in said, said)
    kept = b"".join(path.read_bytes() for path in instance.data.glob("store.db*"))
    report.check("no password is kept", b"pass word" not in kept and b"another" not in kept)


def main():
    args = arguments(__doc__).parse_args()
    report = Report("security")
    with Workspace("security", args.keep) as folder:
        with report.part("open to everybody"):
            refused_where_open_to_everybody(report, args, folder)
        authority, key = certificate(folder)
        options = ["--kafka-authentication", "sasl", "--kafka-certificate", authority, "--kafka-key", key]
        with Instance(args.sluice, folder, options=options) as instance:
            instance.start()
            with report.part("users"):
                lives_of_users(report, instance, authority)
            code, _ = instance.stop()
            report.equal("it stops by itself", code, 0)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
