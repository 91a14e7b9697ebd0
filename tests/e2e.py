#!/usr/bin/env python3
"""The doors of a running instance, tried as a user would: kcat and Python clients on the Kafka door, login, predict and pages on the
HTTP door, plain SQL on the store, a graceful stop and a start on the same data. With `--cluster` the log is on a real Apache Kafka.
"""

import json
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter

from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer

from harness import api
from harness.cluster import log_of
from harness.instance import ECOMMERCE, Instance, Workspace, arguments, until
from harness.payments import PREDICT_TOPIC, TOPIC, Shoppers, encode, payment, stamp
from harness.report import Report
from harness.topics import Sender, partitions, read_all

PREDICT = "/api/v1/predict"
BATCH = "/api/v1/batch-predict"


def kcat(instance, *options, stdin=b""):
    command = ["kcat", "-b", instance.kafka, *options]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def decisions(instance):
    """Decisions by transaction id; each id once."""
    found = {}
    for message in read_all(instance.kafka, "decisions"):
        decision = json.loads(message.value())
        assert decision["transaction_id"] not in found, f"{decision['transaction_id']} is decided twice"
        found[decision["transaction_id"]] = decision
    return found


def decided(instance, ids):
    """Waits until all these ids are decided; returns all decisions."""

    def all_there():
        found = decisions(instance)
        return found if all(i in found for i in ids) else None

    return until(f"decisions of {len(ids)} payments", all_there)


def by_kcat(report, instance):
    listing = kcat(instance, "-L", "-J")
    topics = {t["topic"] for t in json.loads(listing.stdout)["topics"]}
    expected = {TOPIC, PREDICT_TOPIC, "decisions", "alerts", "features", "dead-letters", "sequence", "control"}
    report.check("kcat lists the topics", expected <= topics, f"{sorted(expected - topics)} missing of {sorted(topics)}")
    lines = b"\n".join(encode(payment(f"kcat-{n}")) for n in range(100))
    sent = kcat(instance, "-P", "-t", TOPIC, "-X", "acks=all", stdin=lines + b"\n")
    report.equal("kcat produces", (sent.returncode, sent.stderr), (0, b""))
    decided(instance, [f"kcat-{n}" for n in range(100)])
    read = kcat(instance, "-C", "-t", "decisions", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed")
    ids = [json.loads(line)["transaction_id"] for line in read.stdout.splitlines()]
    report.equal("kcat consumes each decision once", Counter(i for i in ids if i.startswith("kcat-")), Counter(f"kcat-{n}" for n in range(100)))
    if instance.project != ECOMMERCE:
        # On a cluster its own access rules say who may write.
        return
    closed = kcat(instance, "-P", "-t", PREDICT_TOPIC, "-X", "message.timeout.ms=5000", stdin=encode(payment("jumps-the-queue")) + b"\n")
    report.check("clients cannot write the predict topic", closed.returncode != 0, "kcat could")


def by_python(report, instance):
    producer = KafkaProducer(bootstrap_servers=instance.kafka, acks="all")
    answers = [producer.send(TOPIC, key=f"acc-{n % 7}".encode(), value=encode(payment(f"python-{n}", account_id=f"acc-{n % 7}"))) for n in range(200)]
    places = [answer.get(timeout=30) for answer in answers]
    producer.close()
    report.equal("kafka-python produces", len({(p.partition, p.offset) for p in places}), 200)
    wanted = {f"python-{n}" for n in range(200)}
    decided(instance, wanted)

    parts = partitions(instance.kafka, TOPIC)
    seen, lock, owned = Counter(), threading.Lock(), {}
    halt = threading.Event()

    def member(name):
        consumer = KafkaConsumer(
            TOPIC, bootstrap_servers=instance.kafka, group_id="e2e", auto_offset_reset="earliest", enable_auto_commit=False, client_id=name, consumer_timeout_ms=200
        )
        while not halt.is_set():
            batch = consumer.poll(timeout_ms=200)
            with lock:
                owned[name] = {p.partition for p in consumer.assignment()}
                for records in batch.values():
                    seen.update((r.partition, r.offset) for r in records)
            if batch:
                consumer.commit()
        consumer.close()

    threads = [threading.Thread(target=member, args=(f"member-{n}",), daemon=True) for n in range(2)]
    for thread in threads:
        thread.start()
    shared = lambda: len(owned) == 2 and all(owned.values()) and sorted(p for o in owned.values() for p in o) == parts  # noqa: E731
    until("two members of a group sharing the partitions", lambda: shared() and all((p.partition, p.offset) in seen for p in places))
    halt.set()
    for thread in threads:
        thread.join(30)
    report.check("two members of a group share the partitions and see everything", True)

    after = KafkaConsumer(TOPIC, bootstrap_servers=instance.kafka, group_id="e2e", auto_offset_reset="earliest", enable_auto_commit=False)
    until("the assignment", lambda: after.poll(timeout_ms=200) is not None and after.assignment())
    behind = {p.partition: after.position(p) for p in after.assignment()}
    ends = {p.partition: end for p, end in after.end_offsets(list(after.assignment())).items()}
    after.close()
    report.equal("the group goes on where it committed", behind, ends)


def by_compression(report, instance):
    codecs = {}
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        sent = kcat(instance, "-P", "-t", TOPIC, "-z", codec, stdin=encode(payment(f"codec-{codec}")) + b"\n")
        codecs[codec] = sent.returncode
    report.equal("kcat produces with every compression", codecs, dict.fromkeys(codecs, 0))
    decided(instance, [f"codec-{codec}" for codec in codecs])


def by_transactions(report, instance):
    producer = Producer({"bootstrap.servers": instance.kafka, "transactional.id": "e2e", "log_level": 0})
    producer.init_transactions(30)
    for name, end in (("aborted", producer.abort_transaction), ("committed", producer.commit_transaction)):
        producer.begin_transaction()
        for n in range(10):
            producer.produce(TOPIC, encode(payment(f"{name}-{n}")), key=f"acc-{n}")
        producer.flush(30)
        end(30)
    found = decided(instance, [f"committed-{n}" for n in range(10)])
    # What comes after the aborted ones in each of their partitions is decided: they have been passed over.
    report.equal("a client's aborted payments are not judged", [i for i in found if i.startswith("aborted-")], [])


def by_http(report, instance):
    anyone = api.Client(instance.http)
    for route in ("/health", "/ready", "/metrics", "/"):
        report.equal(f"GET {route} needs no token", anyone.get(route).status, 200)
    report.check("the OpenAPI document lists predict", PREDICT in anyone.get("/api/openapi.json").json["paths"])
    page = anyone.get("/docs/")
    report.check("Swagger UI is served", page.status == 200 and b"swagger" in page.body.lower(), page)

    refused = anyone.predict(payment("no-token"))
    report.check("predict without a token: 401", refused.status == 401 and refused.is_problem and "bearer" in refused.headers.get("www-authenticate", "").lower(), refused)
    refused = api.Client(instance.http, "x.y.z").predict(payment("bad-token"))
    report.check("predict with a forged token: 401", refused.status == 401 and refused.is_problem, refused)
    for name in ("admin", "nobody"):
        wrong = anyone.post("/api/v1/auth/login", {"username": name, "password": "wrong"})
        report.check(f"login of {name} with a wrong password: 401", wrong.status == 401 and wrong.is_problem, wrong)
    client = api.login(instance.http, instance.password)

    answer = client.predict(payment("http-1"))
    report.equal("predict answers", answer.status, 200)
    decision = answer.json
    report.equal("a plain payment is allowed", (decision["transaction_id"], decision["decision"]), ("http-1", "allow"))
    report.equal("the decision says where its payment stands", decision["topic"], PREDICT_TOPIC)
    high = client.predict(payment("http-high", channel="online", amount=45_000)).json
    report.check("45,000 online is not allowed", high["decision"] != "allow" and high["hits"] and high["reasons"], high)

    content = payment("http-twice", event_time=stamp())
    first, second = client.predict(content), client.predict(content)
    report.equal("the same payment again gets the same decision", (second.status, second.body), (200, first.body))
    conflict = client.predict({**content, "amount": 43})
    report.check("the same id with other content: 409", conflict.status == 409 and conflict.is_problem, conflict)
    wrong = client.predict({**content, "transaction_id": "http-wrong", "amount": "much", "channel": "owl"})
    fields = {e.get("field") for e in wrong.json.get("errors", [])}
    report.check("422 names every wrong field", wrong.status == 422 and wrong.is_problem and fields == {"amount", "channel"}, wrong)
    for status, method, route, body, headers in [
        (404, "GET", "/api/v1/nothing", None, {}),
        (404, "GET", "/api/v1/transactions/nothing", None, {}),
        (405, "GET", PREDICT, None, {}),
        (415, "POST", PREDICT, b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}),
    ]:
        got = client.call(method, route, body, headers)
        report.check(f"{method} {route}: {status}, a problem document", got.status == status and got.is_problem, got)
    too_large = client.post(PREDICT, encode(payment("http-large", city="x" * 2_000_000)))
    report.check("2 MB predict: 413", too_large.status == 413 and too_large.is_problem, too_large)
    bad_cursor = client.get("/api/v1/predictions", cursor="not a cursor")
    report.check("a cursor that is none: 4xx", bad_cursor.status in (400, 422) and bad_cursor.is_problem, bad_cursor)

    many = [payment(f"batch-{n}") for n in range(100)]
    many[7]["amount"] = -1
    many[8] = dict(many[9])
    batch = client.post(BATCH, {"transactions": many})
    if report.equal("batch-predict answers", batch.status, 200):
        results = batch.json["results"]
        report.equal("one result a transaction", len(results), 100)
        report.check("a wrong one is told apart", "problem" in results[7] and results[7]["problem"]["status"] == 422, results[7])
        report.equal("one that stands twice has one decision", results[8], results[9])
        right = [r["decision"]["transaction_id"] for n, r in enumerate(results) if n not in (7, 8)]
        report.equal("the others are decided, in order", right, [f"batch-{n}" for n in range(100) if n not in (7, 8)])
    over = client.post(BATCH, {"transactions": [payment(f"over-{n}") for n in range(1001)]})
    report.check("1,001 in one batch: 4xx", over.status in (413, 422) and over.is_problem, over)


def by_pages(report, instance):
    client = api.login(instance.http, instance.password)
    wanted = decisions(instance)
    stored = lambda: len(client.pages("/api/v1/predictions", 1000)) >= len(wanted)  # noqa: E731
    until("all decisions in the store", stored)
    rows = client.pages("/api/v1/predictions", 37)
    report.equal("pages of predictions hold each once", Counter(r["transaction_id"] for r in rows), Counter(wanted.keys()))
    blocked = {r["transaction_id"] for r in client.pages("/api/v1/predictions", 5, decision="block")}
    report.equal("predictions by decision", blocked, {i for i, d in wanted.items() if d["decision"] == "block"})
    alerts = client.pages("/api/v1/alerts", 3)
    topic = [json.loads(m.value())["alert_id"] for m in read_all(instance.kafka, "alerts")]
    report.equal("pages of alerts equal the alerts topic", sorted(a["alert_id"] for a in alerts), sorted(topic))
    report.check("there are alerts", bool(alerts))
    one = client.get("/api/v1/transactions/http-high")
    report.check("a transaction by id", one.status == 200 and b"http-high" in one.body, one)
    odd = client.get("/api/v1/transactions/" + urllib.parse.quote("a/b ü", safe=""))
    report.equal("an unknown id of odd letters: 404", odd.status, 404)


def by_metrics(report, instance):
    text = api.Client(instance.http).get("/metrics").body.decode()
    described = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    families = {name.split("{")[0] for name, _ in samples}
    bare = {f for f in families if not any(f == t or f.startswith(f"{t}_") for t in typed & described)}
    report.equal("every metric has help and type", bare, set())
    report.check("every sample is a number", all(float(value) == float(value) for _, value in samples))
    judged = sum(float(value) for name, value in samples if name.startswith("sluice_decisions_total{"))
    report.equal("decisions are counted", int(judged), len(decisions(instance)))


def by_sql(report, instance):
    store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
    wanted = decisions(instance)
    until("all decisions in the store", lambda: store.execute("SELECT count(*) FROM predictions").fetchone()[0] == len(wanted))
    count, fraud, last = store.execute(
        "SELECT COUNT(*), SUM(CASE WHEN predicted_fraud = 1 THEN 1 ELSE 0 END) as fraud_count, MAX(created_at) as last_prediction FROM predictions;"
    ).fetchone()
    report.equal("predictions counted in SQL", (count, fraud), (len(wanted), sum(1 for d in wanted.values() if d["decision"] != "allow")))
    report.check("the last prediction has a time", bool(last))
    report.equal("every payment has its row", store.execute("SELECT count(*) FROM transactions").fetchone()[0], len(wanted))
    views = [store.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in ("fraud_transaction", "genuine_transaction")]
    report.equal("the views split the payments", views, [fraud, count - fraud])
    amount = store.execute("SELECT amount, account_id, transaction_type FROM transactions WHERE transaction_id = 'http-high'").fetchone()
    report.equal("a payment's columns", (float(amount[0]), *amount[1:]), (45_000.0, "acc-http-high", "purchase"))
    orphans = store.execute("SELECT count(*) FROM alerts WHERE transaction_id NOT IN (SELECT transaction_id FROM transactions)").fetchone()[0]
    report.equal("every alert has its payment", orphans, 0)
    store.close()


def under_storm(report, instance):
    """More callers than there is room for: every answer is a decision or a 429 that says when to come back; nothing else."""
    token = api.login(instance.http, instance.password).token
    answers, lock, shoppers = [], threading.Lock(), Shoppers(5, "storm")
    bodies = [json.dumps({"transactions": [json.loads(shoppers.next()[2]) for _ in range(200)]}).encode() for _ in range(150)]

    def caller(body):
        try:
            answer = api.Client(instance.http, token, timeout=60).post(BATCH, body)
        except (OSError, api.http.client.HTTPException) as error:
            answer = error
        with lock:
            answers.append(answer)

    threads = [threading.Thread(target=caller, args=(body,), daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    broken = [a for a in answers if isinstance(a, Exception)]
    report.check("under overload every caller is answered", not broken and len(answers) == len(threads), f"{len(broken)} broken, such as {broken[:1]!r}")
    statuses = Counter(a.status for a in answers if not isinstance(a, Exception))
    print(f"        a storm of {len(bodies)} batches of 200: {dict(statuses)}")
    report.check("under overload there is 200 and 429 only", set(statuses) <= {200, 429}, statuses)
    unsaid = [a for a in answers if not isinstance(a, Exception) and a.status == 429 and not a.headers.get("retry-after", "").isdigit()]
    report.check("a 429 says when to come back", not unsaid, unsaid[:1])
    told = [r["decision"]["transaction_id"] for a in answers if not isinstance(a, Exception) and a.status == 200 for r in a.json["results"] if "decision" in r]
    found = decided(instance, told)
    report.check("what was answered under overload is decided", all(i in found for i in told))

    guesses = Counter()
    anyone = api.Client(instance.http)
    for _ in range(100):
        answer = anyone.post("/api/v1/auth/login", {"username": "guessed", "password": "wrong"})
        guesses[answer.status] += 1
        if answer.status == 429:
            break
    report.check("guessing passwords is slowed down: 429 with Retry-After", answer.status == 429 and answer.headers.get("retry-after", "").isdigit(), guesses)


def stop_and_start(report, instance):
    before = decisions(instance)
    client = api.login(instance.http, instance.password)
    content = payment("over-the-restart", event_time=stamp())
    answered = client.predict(content).body
    pid_file = instance.data / "sluice.pid"
    report.equal("the pid file names the process", pid_file.read_text().strip(), str(instance.process.pid))
    second = instance.run("up", "--project", instance.project, "--data", instance.data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", seconds=60)
    report.check("a second process on the same data is refused", second.returncode not in (0, 101), f"exit code {second.returncode}")
    report.check("and says what to do", "hint" in second.stderr or str(instance.process.pid) in second.stderr, second.stderr)
    report.check("the first goes on", instance.is_running() and api.Client(instance.http).get("/ready").status == 200)

    sender = Sender(instance.kafka, lambda *_: None)
    shoppers, busy = Shoppers(9, "stop"), threading.Event()

    def load():
        while not busy.is_set():
            transaction_id, account, value = shoppers.next()
            sender.send(TOPIC, transaction_id, value, key=account)
        sender.give_up()

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    until("load", lambda: shoppers.made > 500)
    code, seconds = instance.stop()
    busy.set()
    thread.join(30)
    report.equal("it stops with exit code 0, under load", code, 0)
    report.check("it stops within 5 s", seconds < 5, f"took {seconds:.2f} s")
    report.check("the pid file is gone", not pid_file.exists())

    said = instance.start()
    print(f"        stopped in {seconds:.2f} s, ready again in {said['seconds']:.2f} s")
    client = api.login(instance.http, instance.password)
    # On a busy machine the first answer may say to come again.
    again = until("an answer after the restart", lambda: next((a for a in [client.predict(content)] if a.status != 503), None))
    report.equal("a payment repeated after the restart gets the decision it had", (again.status, again.body), (200, answered))
    report.check("a restart loses no decision", before.keys() <= decisions(instance).keys())
    down = instance.run("down", "--data", instance.data, seconds=60)
    report.equal("`sluice down` stops it", (down.returncode, instance.process.wait(10)), (0, 0))
    instance.process = None
    down = instance.run("down", "--data", instance.data, seconds=60)
    report.check("where nothing runs, it says so", down.returncode == 0 and "nothing runs" in down.stdout, down.stdout + down.stderr)
    replay = instance.run("replay", "--data", instance.data, "--project", instance.project, "--output", "json")
    if report.check("replay runs", replay.returncode == 0, replay.stdout[-500:] + replay.stderr[-1000:]):
        report.equal("replay finds no difference", json.loads(replay.stdout.strip().splitlines()[-1])["differences"], 0)


def main():
    options = arguments(__doc__.splitlines()[0], on_both=True).parse_args()
    report = Report("e2e")
    with Workspace("e2e", options.keep) as folder, log_of(options, folder) as (project, _), Instance(options.sluice, folder, project) as instance:
        said = instance.start()
        report.check("it is ready", bool(said["http"] and said["kafka"] and said["pid"] == instance.process.pid), said)
        for part in (by_kcat, by_python, by_transactions, by_compression, by_http, by_pages, by_metrics, by_sql, under_storm, stop_and_start):
            at = time.monotonic()
            with report.part(part.__name__):
                part(report, instance)
            print(f"        {part.__name__}: {time.monotonic() - at:.1f} s")
            if not instance.is_running() and part is not stop_and_start:
                report.check(f"the process outlives {part.__name__}", False, instance.log_end())
                break
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
