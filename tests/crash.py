#!/usr/bin/env python3
"""kill -9 at random moments under load, again and again on the same data; then every accepted payment must stand exactly once in
the `decisions` topic and once in the store, every broken record must have one dead letter, answers given must equal what the topic
holds, and a replay must find no difference. Meanwhile lists are changed and versions deployed, and at the end both must be what was
acknowledged. Snapshots are taken several times a second, so that kills meet them, and starts go on
from the last one; some lives have too little memory for their state, and before one start the state is deleted. With `--cluster` the log
is on a real Apache Kafka, which is killed in every other round: alone, so that the instance has to wait for it, or together with it.

Accepted means: acknowledged to a Kafka producer, or answered over HTTP. What was sent but not accepted may have been judged or
not; it is sent again in the next round, as a client would, and must then count once.
"""

import json
import os
import random
import shutil
import sqlite3
import sys
import threading
import time
from collections import Counter

from harness import api, changes
from harness.cluster import log_of
from harness.instance import Instance, NotReady, Workspace, arguments, until
from harness.payments import TOPIC, Shoppers, encode, payment, stamp
from harness.report import Report
from harness.topics import Reader, Sender, partitions, read_all


class Ledger:
    """What was sent and what became of it. Shared by all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.content = {}
        self.acknowledged = set()
        self.answers = {}
        self.changed_answers = []
        self.refused = {}
        # Where broken records stand that were acknowledged.
        self.broken = set()
        # How often an id was sent again, accepted before or not.
        self.repeats = 0

    def sent(self, transaction_id, content):
        with self.lock:
            self.content[transaction_id] = content

    def ack(self, transaction_id, _message=None):
        with self.lock:
            self.acknowledged.add(transaction_id)

    def ack_broken(self, _mark, message):
        with self.lock:
            self.broken.add((message.topic(), message.partition(), message.offset()))

    def answer(self, transaction_id, body):
        with self.lock:
            known = self.answers.setdefault(transaction_id, body)
            if known != body:
                self.changed_answers.append((transaction_id, known, body))

    def refuse(self, status, body):
        with self.lock:
            self.refused.setdefault(status, body)

    def accepted(self):
        with self.lock:
            return self.acknowledged | self.answers.keys()

    def open(self, most):
        """Sent, and neither acknowledged nor answered."""
        with self.lock:
            found = [i for i in self.content if i not in self.acknowledged and i not in self.answers]
        return found[:most]

    def some_accepted(self, chance, most):
        with self.lock:
            found = sorted(self.acknowledged | self.answers.keys())
        return chance.sample(found, min(most, len(found)))


class Load(threading.Thread):
    """One source of load until told to stop; the end of the process at the other side is expected."""

    def __init__(self, ledger, shoppers, again):
        super().__init__(daemon=True)
        self.ledger, self.shoppers, self.again = ledger, shoppers, again
        self.halt = threading.Event()

    def next(self):
        """First what is to be sent again, then new payments: (id, key, content)."""
        if self.again:
            transaction_id = self.again.pop()
            content = self.ledger.content[transaction_id]
            return transaction_id, json.loads(content)["account_id"], content
        transaction_id, account, content = self.shoppers.next()
        self.ledger.sent(transaction_id, content)
        return transaction_id, account, content


class KafkaLoad(Load):
    """A producer at a steady rate."""

    def __init__(self, ledger, shoppers, again, bootstrap, rate):
        super().__init__(ledger, shoppers, again)
        self.sender = Sender(bootstrap, ledger.ack)
        self.rate = rate

    def run(self):
        begin, sent = time.monotonic(), 0
        while not self.halt.is_set():
            due = int((time.monotonic() - begin) * self.rate) - sent
            for _ in range(min(due, 500)):
                transaction_id, account, content = self.next()
                self.sender.send(TOPIC, transaction_id, content, key=account)
                sent += 1
            self.sender.producer.poll(0.002)
        self.sender.give_up()


class SideLoad(Load):
    """What comes beside payments: clicks, balances, and records that nobody can read."""

    def __init__(self, ledger, chance, bootstrap, rate):
        super().__init__(ledger, None, None)
        self.chance, self.rate = chance, rate
        self.sender = Sender(bootstrap, lambda *_: None)
        self.broken = Sender(bootstrap, ledger.ack_broken)

    def run(self):
        begin, sent = time.monotonic(), 0
        while not self.halt.is_set():
            for sent in range(sent + 1, int((time.monotonic() - begin) * self.rate) + 1):  # noqa: B020 - goes on where it was
                account = f"acc-{self.chance.randrange(200)}"
                match sent % 20:
                    case 0:
                        self.broken.send(TOPIC, None, self.chance.choice([b"{", b"\xff", encode(payment("broken", amount="much"))]))
                    case 1 | 2 | 3:
                        balance = {"account_id": account, "balance": self.chance.randrange(10**6) / 100, "updated_at": stamp()}
                        self.sender.send("account_balances", None, encode(balance), key=account)
                    case _:
                        click = {"event_id": f"e-{sent}", "session_id": f"ses-{account}", "page": f"/{self.chance.randrange(9)}", "event_time": stamp()}
                        self.sender.send("clickstream", None, encode(click), key=click["session_id"])
            self.sender.producer.poll(0.005)
            self.broken.producer.poll(0)
        self.sender.give_up()
        self.broken.give_up()


class HttpLoad(Load):
    """A caller that predicts one payment after the other."""

    def __init__(self, ledger, shoppers, again, base, token):
        super().__init__(ledger, shoppers, again)
        self.client = api.Client(base, token, timeout=10)

    def run(self):
        while not self.halt.is_set():
            transaction_id, _, content = self.next()
            try:
                answer = self.client.predict(content)
            except (OSError, api.http.client.HTTPException):
                return
            if answer.status == 200:
                self.ledger.answer(transaction_id, answer.body)
            elif answer.status not in (429, 503):
                self.ledger.refuse(answer.status, answer.body)


def one_round(instance, ledger, changer, chance, number, settings, broker=None):
    """Starts, loads, kills. Returns the row for the table."""
    sent_before, accepted_before = len(ledger.content), len(ledger.accepted())
    # Too little memory for the state: entities go to disk and come back all the time.
    tight = chance.random() < 0.3
    instance.environment["SLUICE_STATE_MEMORY"] = "64KB" if tight else "1GB"
    memory = "tight" if tight else "plenty"
    stateless = number == settings["stateless"]
    if number > 0 and not stateless and chance.random() < 0.2:
        # Recovery itself must bear being killed.
        after = chance.uniform(0.0, settings["start"])
        instance.spawn()
        time.sleep(after)
        instance.kill()
        return [number + 1, "while starting", memory, f"{after * 1000:.0f}", "-", "-", 0, 0]
    if stateless:
        # State is a cache: without it everything is made again from the log.
        shutil.rmtree(instance.data / "state")
        memory += ", state deleted"
        if broker is not None:
            # A cluster accepts ahead of what is judged: only what was judged can be made again.
            settings["judged"] = sum(1 for _ in read_all(broker.bootstrap, "decisions"))
    said = instance.start()
    client = api.login(instance.http, instance.password)
    again = ledger.open(5000) + ledger.some_accepted(chance, 100)
    ledger.repeats += len(again)
    chance.shuffle(again)
    loads = [
        KafkaLoad(ledger, Shoppers(chance.random(), f"k{number}"), again[: len(again) // 2], instance.kafka, settings["rate"]),
        SideLoad(ledger, random.Random(chance.random()), instance.kafka, settings["rate"] / 4),
        *(
            HttpLoad(ledger, Shoppers(chance.random(), f"h{number}-{n}"), again[len(again) // 2 :][n :: settings["callers"]], instance.http, client.token)
            for n in range(settings["callers"])
        ),
        changes.ChangeLoad(changer, instance.http, client.token, settings["change"]),
    ]
    for load in loads:
        load.start()
    after = chance.uniform(0.05, settings["seconds"])
    time.sleep(after)
    killed = "under load"
    if broker is not None and number % 2:
        broker.kill()
        if chance.random() < 0.5:
            instance.kill()
            killed = "with the broker"
        else:
            killed = "after the broker"
        broker.start()
        if instance.process is not None:
            # It goes on by itself: something is accepted that was not when the broker came back.
            before = len(ledger.accepted())
            until("payments accepted after the broker came back", lambda: len(ledger.accepted()) > before)
            time.sleep(chance.uniform(0.05, settings["seconds"]))
    if instance.process is not None:
        instance.kill()
    for load in loads:
        load.halt.set()
    for load in loads:
        load.join(30)
    sent, accepted = len(ledger.content) - sent_before, len(ledger.accepted()) - accepted_before
    return [number + 1, killed, memory, f"{after * 1000:.0f}", f"{said['seconds'] * 1000:.0f}", said["caught_up"], sent, accepted]


def resumed(report, rows, judged=None):
    """Starts go on from a snapshot: what they make again is little beside all that was accepted. The last life does not count, as it
    may have ended before its first snapshot, or with payments that were accepted and not yet taken; where it was longer than all
    before it, nothing can be told. Nor can it of the first start after the one without state, whose life may have been too short for a snapshot."""
    lives, slow, anew = [], [], False
    for number, _, memory, _, _, caught_up, _, accepted in rows:
        before = sum(lives[:-1])
        if "state deleted" in memory:
            whole = before if judged is None else judged
            report.check("without its state a start makes everything again from the log", caught_up >= max(whole, 1), f"{caught_up} of {whole}")
            anew = True
        elif caught_up != "-":
            if before and caught_up >= before > lives[-1] and not anew:
                slow.append((number, caught_up, before))
            anew = False
        if accepted:
            lives.append(accepted)
    # A cluster accepts ahead of what is judged, so there it is not known what a start would make anew.
    if judged is None:
        report.check("every other start goes on from a snapshot", not slow, f"(round, caught up, accepted before): {slow}")


def settle(instance, ledger, report):
    """Sends again what is open until all is accepted, then a last payment to each partition: when these are decided, so is all
    that stands before them. Returns the ids of these."""
    with_kafka = Sender(instance.kafka, ledger.ack)
    for transaction_id in ledger.open(10**9):
        with_kafka.send(TOPIC, transaction_id, ledger.content[transaction_id])
    report.equal("what was never accepted is accepted when sent again", with_kafka.flush(60), 0)
    last = []
    for partition in partitions(instance.kafka, TOPIC):
        last.append(f"last-{partition}")
        content = encode(payment(last[-1]))
        ledger.sent(last[-1], content)
        with_kafka.send(TOPIC, last[-1], content, partition=partition)
    with_kafka.flush(60)
    client = api.login(instance.http, instance.password)
    last.append("last-predict")
    content = encode(payment(last[-1]))
    ledger.sent(last[-1], content)
    answer = client.predict(content)
    if report.equal("the last predict is answered", answer.status, 200):
        ledger.answer(last[-1], answer.body)
    return last


def decided(instance, last):
    """All decisions, by transaction id, once those in `last` are among them: id to the list of their bytes."""
    found = {}
    reader = Reader(instance.kafka, "decisions")

    def complete():
        for message in reader.to_end():
            found.setdefault(json.loads(message.value())["transaction_id"], []).append(message.value())
        return all(i in found for i in last)

    try:
        until("the decisions of the last payments", complete)
        complete()
    finally:
        reader.close()
    return found


def compare(report, ledger, decisions, stored):
    """The claims, each as one check."""
    accepted = ledger.accepted()
    few = lambda ids: sorted(ids)[:5]  # noqa: E731
    lost = accepted - decisions.keys()
    report.check(f"each of {len(accepted)} accepted payments has a decision", not lost, f"{len(lost)} have none, such as {few(lost)}")
    twice = {i for i, bodies in decisions.items() if len(bodies) > 1}
    report.check(f"none of {len(decisions)} decided payments is decided twice", not twice, f"{len(twice)} are, such as {few(twice)}")
    unknown = decisions.keys() - ledger.content.keys()
    report.check("no payment is decided that nobody sent", not unknown, f"{few(unknown)}")
    differ = {i for i, body in ledger.answers.items() if i in decisions and json.loads(body) != json.loads(decisions[i][0])}
    report.check(f"each of {len(ledger.answers)} answers equals the topic's decision", not differ, f"{len(differ)} differ, such as {few(differ)}")
    report.check("the same payment is always answered the same", not ledger.changed_answers, f"{ledger.changed_answers[:1]}")
    report.check("nothing well-formed is refused", not ledger.refused, f"{ledger.refused}")
    missing, extra = decisions.keys() - stored.keys(), stored.keys() - decisions.keys()
    report.check(f"the store holds each of {len(decisions)} decisions once", not missing and not extra and sum(c for c, _ in stored.values()) == len(decisions),
                 f"{len(missing)} missing such as {few(missing)}, {len(extra)} too many such as {few(extra)}")
    other = {i for i, (_, decision) in stored.items() if i in decisions and json.loads(decisions[i][0])["decision"] != decision}
    report.check("the store says of each what the topic says", not other, f"{few(other)}")


def read_store(instance, last):
    """transaction id -> (rows, decision), once the sink has come to the last payments."""
    store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
    marks = ",".join("?" * len(last))
    until("the last payments in the store", lambda: store.execute(f"SELECT count(*) FROM predictions WHERE transaction_id IN ({marks})", last).fetchone()[0] == len(last))
    rows = {i: (count, decision) for i, count, decision in store.execute("SELECT transaction_id, count(*), max(decision) FROM predictions GROUP BY 1")}
    store.close()
    return rows


def stored_alerts(instance):
    store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
    found = {alert_id for (alert_id,) in store.execute("SELECT alert_id FROM alerts")}
    store.close()
    return found


def main():
    parser = arguments(__doc__.splitlines()[0], on_both=True)
    number = lambda name, default, kind: kind(os.environ.get(f"SLUICE_CRASH_{name}", default))  # noqa: E731
    parser.add_argument("--rounds", type=int, default=number("ROUNDS", 25, int))
    parser.add_argument("--seconds", type=float, default=number("SECONDS", 0, float), help="the longest life under load; 2, or 6 on a cluster, where more waits after a start")
    parser.add_argument("--rate", type=float, default=number("RATE", 1500, float), help="payments a second by Kafka; HTTP callers come on top")
    parser.add_argument("--callers", type=int, default=number("CALLERS", 4, int))
    parser.add_argument("--snapshots", type=float, default=number("SNAPSHOTS", 0.1, float), help="seconds between snapshots")
    parser.add_argument("--change", type=float, default=number("CHANGE", 0.02, float), help="seconds between changes of lists and versions")
    parser.add_argument("--seed", type=int, default=None, help="of the moments and payments; printed when chosen here")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    chance, ledger, report = random.Random(seed), Ledger(), Report("crash")
    settings = {"seconds": options.seconds or (6.0 if options.cluster else 2.0), "change": options.change, "rate": options.rate, "callers": options.callers, "start": 1.0, "stateless": max(1, options.rounds // 2)}

    environment = {"SLUICE_SNAPSHOT_SECONDS": str(options.snapshots)}
    with (
        Workspace("crash", options.keep) as folder,
        log_of(options, folder) as (project, broker),
        Instance(options.sluice, folder, project, environment=environment) as instance,
    ):
        rows = []
        changer = changes.Changer(instance.project, random.Random(seed + 1))
        for n in range(options.rounds):
            try:
                rows.append(one_round(instance, ledger, changer, chance, n, settings, broker))
            except NotReady as error:
                report.check(f"round {n + 1} starts on what the kill left", False, error)
                break
        else:
            report.check(f"all {options.rounds} rounds start on what the kill before left", True)
        report.table(["round", "killed", "memory", "after ms", "ready in ms", "caught up", "sent", "accepted"], rows)
        if report.failed:
            report.finish()

        resumed(report, rows, settings.get("judged"))
        instance.start()
        changer.settle(api.login(instance.http, instance.password))
        last = settle(instance, ledger, report)
        decisions = decided(instance, last)
        letters = Counter((letter["topic"], letter["partition"], letter["offset"]) for letter in (json.loads(m.value()) for m in read_all(instance.kafka, "dead-letters")))
        unread = [place for place in ledger.broken if letters[place] != 1]
        report.check(f"each of {len(ledger.broken)} broken records has one dead letter", not unread, f"{len(unread)} have not, such as {unread[:3]}")
        twice = [place for place, count in letters.items() if count > 1]
        report.check(f"none of {len(letters)} dead letters stands twice", not twice, twice[:3])
        stored = read_store(instance, last)
        compare(report, ledger, decisions, stored)
        changes.check(report, changer, api.login(instance.http, instance.password), decisions)
        alerts = Counter(json.loads(m.value())["alert_id"] for m in read_all(instance.kafka, "alerts"))
        twice = [alert_id for alert_id, count in alerts.items() if count > 1]
        report.check(f"none of {len(alerts)} alerts stands twice", alerts and not twice, twice[:3])
        report.check("the store holds the same alerts", alerts.keys() == stored_alerts(instance), f"{len(alerts)} in the topic")
        code, seconds = instance.stop()
        report.equal("it stops by itself", code, 0)
        report.check("it stops within 5 s", seconds < 5, f"took {seconds:.1f} s")

        replay = instance.run("replay", "--data", instance.data, "--project", instance.project, "--output", "json", seconds=900)
        if report.check("replay runs", replay.returncode == 0, f"exit code {replay.returncode}: {replay.stdout[-500:]}{replay.stderr[-1000:]}"):
            said = json.loads(replay.stdout.strip().splitlines()[-1])
            report.equal("replay scores every decision again", said["decisions"], len(decisions))
            report.equal("replay finds no difference", said["differences"], 0)
        kinds = {kind: sum(1 for row in rows if row[1] == kind) for kind in ("under load", "with the broker", "after the broker", "while starting")}
        report.table(
            ["kills under load", "with the broker", "after the broker", "while starting", "payments", "accepted by Kafka", "answered", "sent again", "decisions"],
            [[*kinds.values(), len(ledger.content), len(ledger.acknowledged), len(ledger.answers), ledger.repeats, len(decisions)]],
        )
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
