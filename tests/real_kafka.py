#!/usr/bin/env python3
"""What can go wrong with a log on a real Apache Kafka: passwords and certificates, a second instance by mistake, partitions added, a
cluster that is away, records that are gone before they were read, topics that were deleted and made again. Each ends as it should: by
itself where waiting helps, else with an error that says what to do; never with a payment judged twice or passed over.
"""

import json
import secrets
import sys
import time

from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from harness import api
from harness.cluster import project_on
from harness.instance import Instance, NotReady, Workspace, arguments, until
from harness.payments import TOPIC, Shoppers, payment
from harness.report import Report
from harness.topics import Sender, read_all
from services.kafka import Kafka

USER = "sluice"


def decided(broker):
    """Transaction id to its decision; each once."""
    found = {}
    for message in read_all(broker.bootstrap, "decisions"):
        decision = json.loads(message.value())
        assert decision["transaction_id"] not in found, f"{decision['transaction_id']} is decided twice"
        found[decision["transaction_id"]] = decision
    return found


def send(broker, prefix, count, **place):
    """Payments by Kafka; returns their ids once all are acknowledged."""
    acknowledged = set()
    sender, shoppers = Sender(broker.bootstrap, lambda mark, _: acknowledged.add(mark)), Shoppers(7, prefix)
    for _ in range(count):
        transaction_id, account, content = shoppers.next()
        sender.send(TOPIC, transaction_id, content, key=account, **place)
    assert sender.flush(60) == 0, "not everything was acknowledged"
    return acknowledged


def all_decided(broker, what, wanted, seconds=120):
    until(what, lambda: wanted <= decided(broker).keys(), seconds)


def replayed(report, instance, what, count):
    done = instance.run("replay", "--data", instance.data, "--project", instance.project, "--output", "json")
    if report.check(f"{what}: replay runs", done.returncode == 0, done.stdout[-500:] + done.stderr[-1000:]):
        said = json.loads(done.stdout.strip().splitlines()[-1])
        report.equal(f"{what}: replay finds no difference in every decision", (said["differences"], said["decisions"]), (0, count))


def emptied(broker):
    """Deletes every topic, so that the next part begins anew."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    names = lambda: [t for t in admin.list_topics(timeout=10).topics if not t.startswith("__")]  # noqa: E731
    for done in admin.delete_topics(names() or ["none"]).values():
        done.exception(30)
    until("no topics", lambda: not names())


def refused(report, instance, what, *words):
    """A start that must end with an error; what it says holds all the words."""
    at = time.monotonic()
    try:
        instance.start(seconds=90)
    except NotReady:
        said = instance.log_end(8)
        report.check(f"{what}: it says so, and what to do", all(word in said for word in ("hint", *words)), said)
        print(f"        {what}: refused after {time.monotonic() - at:.1f} s")
        return
    report.check(f"{what}: it does not start", False)
    instance.kill()


def secured(report, folder, binary, broker):
    """TLS with SCRAM from the project's settings; wrong passwords and strangers' certificates."""
    words = f", tls: {{ca: '{broker.folder}/ca.crt'}}, sasl: {{mechanism: SCRAM-SHA-512, username: {USER}, password: '${{KAFKA_PASSWORD}}'}}"
    address = f"127.0.0.1:{broker.scram}"
    project = project_on(folder, address, words, "secured")
    right, wrong = {"KAFKA_PASSWORD": broker.secured[1]}, {"KAFKA_PASSWORD": "wrong"}
    with Instance(binary, folder / "denied", project, environment=wrong) as instance:
        instance.folder.mkdir()
        refused(report, instance, "a wrong password", "`sasl`")
    stranger = project_on(folder, address, words.replace("ca.crt", "stranger.crt"), "stranger")
    with Instance(binary, folder / "stranger-data", stranger, environment=right) as instance:
        instance.folder.mkdir()
        refused(report, instance, "a stranger's certificate", "`tls`")
    with Instance(binary, folder / "secured-data", project, environment=right) as instance:
        instance.folder.mkdir()
        instance.start()
        wanted = send(broker, "secured", 500)
        answer = api.login(instance.http, instance.password).predict(payment("secured-http"))
        report.equal("TLS and SCRAM: predict answers", answer.status, 200)
        all_decided(broker, "decisions over TLS and SCRAM", wanted | {"secured-http"})
        named = folder / "kafka.yml"
        named.write_text(f"bootstrap: '{address}'\n" + "".join(f"{line}\n" for line in words[2:].replace("}, sasl", "}\nsasl").splitlines()))
        listed = instance.run("topics", "list", "--kafka-settings", named, "--output", "json")
        report.check("commands speak TLS and SCRAM from a file", listed.returncode == 0 and "decisions" in listed.stdout, listed)
        mutual = folder / "mutual.yml"
        files = {"ca": "ca.crt", "certificate": "client.crt", "key": "client.key"}
        text = "".join(f"  {key}: {broker.folder}/{file}\n" for key, file in files.items())
        mutual.write_text(f"bootstrap: '127.0.0.1:{broker.tls}'\ntls:\n{text}")
        listed = instance.run("topics", "describe", "decisions", "--kafka-settings", mutual)
        report.check("a client's certificate is shown to a listener that asks for it", listed.returncode == 0 and "partition" in listed.stdout, listed)
        report.equal("it stops in order", instance.stop()[0], 0)
        replayed(report, instance, "TLS and SCRAM", 501)


def a_second_instance(report, folder, binary, broker):
    """Another data folder on the same cluster, by mistake, under another name: one of them goes on, and only one."""
    project = project_on(folder, broker.bootstrap, name="first")
    other = project_on(folder, broker.bootstrap, name="second")
    settings = other / "sluice.yml"
    settings.write_text("".join("name: another\n" if line.startswith("name:") else line for line in settings.read_text().splitlines(keepends=True)))
    for name in ["one", "two"]:
        (folder / name).mkdir()
    with Instance(binary, folder / "one", project) as one, Instance(binary, folder / "two", other) as two:
        one.start()
        wanted = send(broker, "alone", 300)
        all_decided(broker, "the first one's decisions", wanted)
        two.start()
        wanted |= send(broker, "together", 1000)
        all_decided(broker, "decisions with two instances", wanted)
        until("the end of the one that was fenced", lambda: not one.is_running())
        report.check("the first ends, and says why", "another Sluice writes to this cluster" in one.log_end(), one.log_end())
        one.process = None
        answer = api.login(two.http, two.password).predict(payment("together-http"))
        report.equal("the second judges", answer.status, 200)
        report.equal("every payment is decided once", decided(broker).keys() ^ (wanted | {"together-http"}), set())
        report.equal("the second stops in order", two.stop()[0], 0)
        replayed(report, two, "two instances", len(wanted) + 1)


def partitions_added(report, folder, binary, broker):
    """Records in partitions that the topic did not have at the start."""
    project = project_on(folder, broker.bootstrap, name="growing")
    with Instance(binary, folder, project) as instance:
        instance.start()
        wanted = send(broker, "before", 200)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        had = len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)
        for done in admin.create_partitions([NewPartitions(TOPIC, had + 3)]).values():
            done.result(30)
        until("the new partitions", lambda: len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions) == had + 3)
        wanted |= send(broker, "added", 100, partition=had + 2) | send(broker, "spread", 500)
        all_decided(broker, "decisions of what is in new partitions", wanted)
        report.equal("every payment in new partitions is decided once", decided(broker).keys() ^ wanted, set())
        report.equal("it stops in order", instance.stop()[0], 0)
        replayed(report, instance, "partitions added", len(wanted))


def away(report, folder, binary, broker, seconds):
    """No broker at the start, and none for a while later."""
    project = project_on(folder, broker.bootstrap, name="waiting")
    broker.kill()
    with Instance(binary, folder, project) as instance:
        instance.spawn()
        until("word of waiting for a broker", lambda: "cannot start yet; trying again" in instance.log_end())
        report.check("no broker at the start: it waits", instance.is_running(), instance.log_end())
        broker.start()
        instance.wait_ready(120)
        wanted = send(broker, "came", 300)
        all_decided(broker, "decisions once the broker came", wanted)
        before = len(instance.log.read_text(errors="replace").splitlines())
        broker.kill()
        time.sleep(seconds)
        lines = len(instance.log.read_text(errors="replace").splitlines()) - before
        report.check(f"no broker for {seconds} s: it waits", instance.is_running(), instance.log_end())
        report.check("and says so, a few lines a second at most", 0 < lines < 5 * seconds + 50, f"{lines} lines; the last:\n{instance.log_end()}")
        broker.start()
        wanted |= send(broker, "again", 300)
        all_decided(broker, "decisions once the broker came back", wanted)
        report.equal("every payment is decided once", decided(broker).keys() ^ wanted, set())
        report.equal("it stops in order", instance.stop()[0], 0)
        replayed(report, instance, "a broker that was away", len(wanted))


def records_gone(report, folder, binary, broker):
    """A topic that lost its first records before it was read here is taken as it is; one that lost what was next is a Stop."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.create_topics([NewTopic(TOPIC, 2, 1)]).values():
        done.result(30)
    until("the topic", lambda: TOPIC in admin.list_topics(timeout=10).topics)
    send(broker, "lost", 200)
    project = project_on(folder, broker.bootstrap, name="gone")
    with Instance(binary, folder, project) as instance:
        reset = instance.run("topics", "reset", TOPIC, "--yes", "--kafka", broker.bootstrap)
        report.check("topics reset empties an input", reset.returncode == 0, reset)
        wanted = send(broker, "held", 200)
        instance.start()
        all_decided(broker, "decisions of what an older topic holds", wanted)
        report.equal("what was gone before is not looked for", decided(broker).keys() ^ wanted, set())
        report.equal("it stops in order", instance.stop()[0], 0)
        send(broker, "unread", 200)
        instance.run("topics", "reset", TOPIC, "--yes", "--kafka", broker.bootstrap)
        refused(report, instance, "a position behind the log's start", "is not held", "retention passed the reader")


def made_again(report, folder, binary, broker, running):
    """A topic deleted and made again, with as many records as before and more: what it holds is not what was read before."""
    project = project_on(folder, broker.bootstrap, name="again")
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    what = "a topic made again while it runs" if running else "a topic made again"
    with Instance(binary, folder, project) as instance:
        instance.start()
        wanted = send(broker, "old", 400)
        all_decided(broker, "decisions of the first topic", wanted)
        if not running:
            report.equal("it stops in order", instance.stop()[0], 0)
        parts = len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)
        for done in admin.delete_topics([TOPIC]).values():
            done.result(30)
        until("the topic's end", lambda: TOPIC not in admin.list_topics(timeout=10).topics)
        for done in admin.create_topics([NewTopic(TOPIC, parts, 1)]).values():
            done.result(30)
        until("the new topic", lambda: TOPIC in admin.list_topics(timeout=10).topics)
        send(broker, "new", 1000)
        if running:
            until("the end of the instance", lambda: not instance.is_running(), 60)
            instance.process = None
            report.check(f"{what}: it stops, and says what to do", "was replaced" in instance.log_end() and "hint" in instance.log_end(), instance.log_end())
        else:
            refused(report, instance, what, "replaced")
        report.equal(f"{what}: nothing of it is judged", decided(broker).keys() ^ wanted, set())


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--away", type=float, default=8.0, help="seconds without a broker")
    parser.add_argument("--only", action="append", default=[], help="a part's name (may be repeated)")
    options = parser.parse_args()
    binary, report = options.sluice.resolve(), Report("real_kafka")
    parts = {
        "secured": secured,
        "a_second_instance": a_second_instance,
        "partitions_added": partitions_added,
        "away": lambda *words: away(*words, options.away),
        "records_gone": records_gone,
        "made_again": lambda *words: made_again(*words, running=False),
        "made_again_running": lambda *words: made_again(*words, running=True),
    }
    with Workspace("real-kafka", options.keep) as folder:
        (folder / "kafka").mkdir()
        with Kafka(folder / "kafka", secured=(USER, secrets.token_urlsafe(12))) as broker:
            broker.start()
            for name, part in parts.items():
                if options.only and name not in options.only:
                    continue
                at = time.monotonic()
                (folder / name).mkdir()
                with report.part(name):
                    part(report, folder / name, binary, broker)
                if broker.process is None:
                    broker.start()
                emptied(broker)
                print(f"        {name}: {time.monotonic() - at:.1f} s")
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
