#!/usr/bin/env python3
"""The same data folder over many lives: the project changes between two starts, a start is refused and leaves everything as it was,
and an import is killed again and again. What was answered stays answered, what counts counts once, and a replay over all versions
finds no difference.
"""

import csv
import json
import shutil
import sqlite3
import subprocess
import sys

from confluent_kafka import Consumer, TopicPartition

from harness import api
from harness.instance import ECOMMERCE, Instance, Workspace, arguments, until
from harness.payments import TOPIC, Shoppers, payment, stamp
from harness.report import Report
from harness.topics import Sender, partitions, read_all

FEATURE = """-- What a city sees within an hour.
select city, count(*) over w1h as city_count_1h
from transactions
window w1h as (partition by city order by event_time range interval '1 hour' preceding)
"""

RULE = """description: too much of one city at once
when: city_count_1h >= 3
action: review
severity: low
message: "{city_count_1h} payments in one city within an hour"
"""


def decisions(instance):
    """Transaction id to the bytes of its decision; each once."""
    found = {}
    for message in read_all(instance.kafka, "decisions"):
        transaction_id = json.loads(message.value())["transaction_id"]
        assert transaction_id not in found, f"{transaction_id} is decided twice"
        found[transaction_id] = message.value()
    return found


def load(instance, prefix, count):
    """Payments by Kafka; returns when all are decided."""
    acknowledged = set()
    sender, shoppers = Sender(instance.kafka, lambda mark, _: acknowledged.add(mark)), Shoppers(3, prefix)
    for _ in range(count):
        transaction_id, account, content = shoppers.next()
        sender.send(TOPIC, transaction_id, content, key=account)
    assert sender.flush(30) == 0, "not everything was acknowledged"
    until(f"decisions of {count} payments", lambda: acknowledged <= decisions(instance).keys())


def replay(report, instance, what):
    done = instance.run("replay", "--data", instance.data, "--output", "json")
    if report.check(f"replay runs {what}", done.returncode == 0, done.stdout[-500:] + done.stderr[-1000:]):
        said = json.loads(done.stdout.strip().splitlines()[-1])
        report.equal(f"replay finds no difference {what}", said["differences"], 0)
        return said
    return None


def changed_project(report, folder, binary):
    project = folder / "project"
    shutil.copytree(ECOMMERCE, project)
    rule = project / "rules" / "large_online_payment.yml"
    first_rule = rule.read_text()
    lower = first_rule.replace("30000", "20000")
    early = payment("early", channel="online", amount=25_000, event_time=stamp())
    digests, answers = {}, {}
    with Instance(binary, folder, project) as instance:

        def judge(version, transaction):
            answer = api.login(instance.http, instance.password).predict(transaction)
            assert answer.status == 200, f"{answer.status} {answer.body!r}"
            decision = answer.json
            others = {digest for name, digest in digests.items() if name != version}
            right = digests.setdefault(version, decision["project"]) == decision["project"] and decision["project"] not in others
            report.check(f"{transaction['transaction_id']}: the decision carries the digest of the {version} version", right, digests)
            answers[transaction["transaction_id"]] = (transaction, answer.body)
            return {hit["rule"] for hit in decision["hits"]}

        def all_again(when):
            client = api.login(instance.http, instance.password)
            wrong = [i for i, (content, body) in answers.items() if client.predict(content).body != body]
            report.check(f"{when}: payments sent again get their first decision", not wrong, wrong)

        instance.start()
        report.check("first version: 25,000 online is under the limit", "large_online_payment" not in judge("first", early))
        load(instance, "first", 500)
        report.equal("it stops", instance.stop()[0], 0)

        rule.write_text(lower)
        instance.start()
        all_again("a rule changed")
        hits = judge("second", payment("after-the-rule", channel="online", amount=25_000))
        report.check("second version: 25,000 online is over the limit", "large_online_payment" in hits, hits)
        load(instance, "second", 500)
        # Not stopped but killed: the version was changed while the snapshot before it still holds.
        instance.kill()

        (project / "features" / "city_activity.sql").write_text(FEATURE)
        (project / "rules" / "city_rush.yml").write_text(RULE)
        instance.start()
        all_again("a feature added")
        city = [judge("third", payment(f"city-{n}", city="Ulm", country="DE")) for n in range(3)]
        report.equal("third version: the new feature counts", ["city_rush" in hits for hits in city], [False, False, True])
        load(instance, "third", 500)
        instance.kill()

        said = instance.start()
        all_again("killed and started again")
        report.check("third version goes on where it was", "city_rush" in judge("third", payment("city-3", city="Ulm", country="DE")), said)
        instance.stop()

        # A project with a mistake is refused, and the data waits for one without.
        rule.write_text(lower.replace("amount_base >", "amuont_base >"))
        refused = instance.run("up", "--project", project, "--data", instance.data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", seconds=60)
        report.check("a project with a mistake is refused", refused.returncode not in (0, 101), f"exit code {refused.returncode}")
        report.check("with the place and the nearest name", "large_online_payment.yml:5" in refused.stderr and "`amount_base`" in refused.stderr, refused.stderr)

        (project / "features" / "city_activity.sql").unlink()
        (project / "rules" / "city_rush.yml").unlink()
        rule.write_text(first_rule)
        instance.start()
        all_again("back to the first version")
        hits = judge("first", payment("back", channel="online", amount=25_000))
        report.check("the first version judges again", "large_online_payment" not in hits, hits)
        report.equal("three versions have judged", len(set(digests.values())), 3)
        found = decisions(instance)
        versions = {digest: sum(1 for body in found.values() if json.loads(body)["project"] == digest) for digest in digests.values()}
        report.check("each has made its decisions", all(count > 500 for count in versions.values()), versions)
        report.check("the topic holds what was answered", all(found[i] == body for i, (_, body) in answers.items()))
        instance.stop()
        said = replay(report, instance, "over three versions")
        if said:
            report.equal("replay scores every decision again", said["decisions"], len(found))


def end_of(instance, topic):
    """How many records a topic's partitions hold, by their ends."""
    reader = Consumer({"bootstrap.servers": instance.kafka, "group.id": "ends", "log_level": 0})
    try:
        return sum(reader.get_watermark_offsets(TopicPartition(topic, p), timeout=10, cached=False)[1] for p in partitions(instance.kafka, topic))
    finally:
        reader.close()


def killed_import(report, folder, binary):
    """An import and its broker are killed in turn, until the file is through; the cursor and the ids bring each row in once."""
    rows, bad_every = 120_000, 1000
    file, cursor = folder / "history.csv", folder / "history.cursor"
    wrong = set()
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, payment("x").keys())
        writer.writeheader()
        shoppers = Shoppers(11, "row")
        for n in range(rows):
            row = json.loads(shoppers.next()[2])
            if n % bad_every == 7:
                row["amount"] = "much"
                wrong.add(row["transaction_id"])
            writer.writerow({k: row[k] for k in writer.fieldnames if k in row})
    wanted = {f"row-{n + 1}" for n in range(rows)} - wrong
    with Instance(binary, folder, environment={"SLUICE_SNAPSHOT_SECONDS": "0.5"}) as instance:
        instance.start()

        def begin():
            command = [binary, "import", file, "--stream", "transactions", "--kafka", instance.kafka, "--cursor", cursor, "--output", "json"]
            return subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        # Before any place was kept, behind the first one, and the broker away under it.
        for when, victim in (("before a place was kept", "import"), ("behind the place kept", "import"), ("behind the place kept", "broker")):
            start = end_of(instance, TOPIC)
            importing = begin()
            under_way = lambda: end_of(instance, TOPIC) > start and (cursor.exists() or when.startswith("before"))  # noqa: B023, E731 - used at once
            until(f"an import {when}", lambda: under_way() or importing.poll() is not None)  # noqa: B023
            report.check(f"{victim} killed {when}: the import is under way", importing.poll() is None, importing.returncode)
            if victim == "broker":
                instance.kill()
            importing.kill()
            importing.communicate()
            if victim == "broker":
                instance.start()
        importing = begin()
        out, err = importing.communicate(timeout=120)
        if not report.check("the last import goes through", importing.returncode == 0, err[-2000:]):
            return
        said = json.loads(out.strip().splitlines()[-1])
        report.check("it went on behind the place that was kept", said["skipped"] > 0, said)
        sent = end_of(instance, TOPIC)
        print(f"        {sent} records for {rows - len(wrong)} good rows; the last import skipped {said['skipped']} rows")
        report.check("rows between place and kill were sent twice", sent > len(wanted), sent)
        until("all rows decided", lambda: end_of(instance, "decisions") >= len(wanted))
        found = decisions(instance)
        report.check("each good row is decided once, and nothing else", found.keys() == wanted, f"{len(wanted - found.keys())} missing, {len(found.keys() - wanted)} too many")
        report.equal("no dead letter of the scorer's", len(read_all(instance.kafka, "dead-letters")), 0)
        letters = [json.loads(m.value()) for m in read_all(instance.kafka, "import-dead-letters")]
        report.equal("each bad row has a dead letter", len({letter["offset"] for letter in letters}), len(wrong))
        report.check("which names the field", all(letter["errors"][0]["field"] == "amount" for letter in letters), letters[:1])
        store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
        count = lambda query: store.execute(query).fetchone()[0]  # noqa: E731
        until("all rows in the store", lambda: count("SELECT count(*) FROM predictions") >= len(wanted))
        report.equal("the store holds each good row once", count("SELECT count(*) FROM transactions"), len(wanted))
        until("the bad rows in the store", lambda: count("SELECT count(*) FROM dead_letters") >= len(wrong))
        report.equal("the store holds each bad row once", count("SELECT count(*) FROM dead_letters"), len(wrong))
        store.close()
        again = instance.run("import", file, "--stream", "transactions", "--kafka", instance.kafka, "--cursor", cursor, "--output", "json")
        report.equal("an import that is through sends nothing again", json.loads(again.stdout.strip().splitlines()[-1])["sent"] if again.returncode == 0 else again.stderr, 0)
        report.equal("it stops", instance.stop()[0], 0)
        replay(report, instance, "over the imported log")


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("restarts")
    for part in (changed_project, killed_import):
        with report.part(part.__name__), Workspace(part.__name__.replace("_", "-"), options.keep) as folder:
            part(report, folder, options.sluice)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
