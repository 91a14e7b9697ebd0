#!/usr/bin/env python3
"""The store in a real PostgreSQL: the shared suite against it; queries as people type them; two instances that start at once; a server
that is away, that is locked, that is frozen, that stands behind a network that is cut, half-open or slow, while payments go on being
judged; and kill -9 of Sluice, of single sessions and of the whole server under load, again and again, after which each decision stands
once. `--rounds` and `--count` make the last part longer, `--away` the time without a server.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from harness import api
from harness.instance import ECOMMERCE, REPOSITORY, Instance, Workspace, arguments, until
from harness.payments import TOPIC, Shoppers, payment
from harness.report import Report
from harness.topics import Sender, read_all
from inject.proxy import Proxy
from services.postgres import PASSWORD, Postgres, signal_if_there

COUNTING = (
    "SELECT COUNT(*), SUM(CASE WHEN predicted_fraud = 1 THEN 1 ELSE 0 END) as fraud_count, MAX(created_at) as last_prediction FROM predictions;"
)

# Memory that a store which is away or slow may cost: its reader holds some megabytes, and the log's pages are not ours.
MEMORY_MB = 150

# Payments between two waits for acknowledgements.
PORTION = 250

# How long a round takes, about.
ROUND_SECONDS = 3


class Place:
    """A project whose store is a database of the server, and an instance on it."""

    def __init__(self, binary, folder, server, name, keep=None, host="127.0.0.1", options="?sslmode=disable"):
        self.database = name
        server.sql(f'CREATE DATABASE "{name}" OWNER sluice')
        self.folder = Path(folder) / name
        project = self.folder / "project"
        shutil.copytree(ECOMMERCE, project)
        self.project, self.server = project, server
        self.set_address(host, options, keep)
        environment = {"STORE_PASSWORD": PASSWORD, "SLUICE_SNAPSHOT_SECONDS": "1"}
        self.instance = Instance(binary, self.folder, project, environment=environment)

    def set_address(self, host, options, keep=None, port=None):
        settings = self.project / "sluice.yml"
        lines = (ECOMMERCE / "sluice.yml").read_text().splitlines()
        lines = [line for line in lines if not line.startswith("store:")]
        address = f"postgres://sluice:${{STORE_PASSWORD}}@{host}:{port or self.server.port}/{self.database}{options}"
        keep = f"\n  keep: {keep}" if keep else ""
        settings.write_text("\n".join(lines) + f"\nstore:\n  address: {address}{keep}\n")

    def sql(self, text):
        return self.server.sql(text, self.database)

    def stored(self):
        return int(self.sql("SELECT COUNT(*) FROM predictions"))


def send(instance, count, prefix, seed=7):
    """Payments by Kafka, all acknowledged; returns their ids."""
    acknowledged, shoppers = set(), Shoppers(seed, prefix, accounts=2000)
    sender = Sender(instance.kafka, lambda mark, _: acknowledged.add(mark))
    for _ in range(count):
        transaction_id, account, content = shoppers.next()
        sender.send(TOPIC, transaction_id, content, key=account)
    assert sender.flush(120) == 0, "not everything was acknowledged"
    return acknowledged


def decided(instance):
    """Transaction ids of the decisions topic, as often as they stand there."""
    return [json.loads(m.value())["transaction_id"] for m in read_all(instance.kafka, "decisions")]


def status(instance):
    return api.Client(instance.http).get("/status").json


def reader(instance):
    return next(r for r in status(instance)["readers"] if r["name"] == "store")


def metric(instance, name):
    text = api.Client(instance.http).get("/metrics").body.decode()
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def caught_up(place, seconds=180):
    until("the store to catch up", lambda: reader(place.instance)["lag"] == 0 and reader(place.instance)["position"] > 0, seconds)


def resident_mb(instance):
    for line in Path(f"/proc/{instance.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no VmRSS")


def suite(report, server):
    """With the features of the whole workspace, so that nothing is built twice."""
    command = ["cargo", "test", "--workspace", "--locked", "--test", "suite", "--", "--ignored", "postgres::"]
    environment = {**os.environ, "SLUICE_TEST_POSTGRES": server.url()}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    passed = sum(line.startswith("test postgres::") and line.endswith("... ok") for line in done.stdout.splitlines())
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("test postgres::")))
    report.check("the shared suite and the server's own tests", done.returncode == 0 and passed >= 10, done.stdout[-3000:] + done.stderr[-2000:])


def as_people_use_it(report, place):
    """Queries typed into psql, the API, the commands."""
    with place.instance as instance:
        said = instance.start()
        send(instance, 2000, "people")
        answer = api.login(instance.http, instance.password).predict(payment("one-more", amount=60000, channel="online"))
        report.equal("predict", answer.status, 200)
        until("the decisions", lambda: place.stored() == 2001, 60)
        sessions = "SELECT bool_and(s.ssl), COUNT(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'sluice' AND datname = 'people'"
        report.equal("its sessions are encrypted", place.sql(sessions), "t|t")
        held = int(place.sql("SELECT COUNT(*) FROM predictions WHERE decision IN ('review', 'block')"))
        printed = place.server.psql(COUNTING, place.database)
        row = [cell.strip() for cell in printed.splitlines()[2].split("|")]
        report.check("the counting query, as it stands", row[:2] == ["2001", str(held)] and row[2].startswith("20") and held > 0, printed)
        printed = place.server.psql(r"\dt", place.database)
        tables = {line.split("|")[1].strip() for line in printed.splitlines() if line.count("|") == 3}
        expected = {"transactions", "predictions", "alerts", "dead_letters", "positions", "totals", "users", "kafka_users", "secrets", "audit"}
        report.check(r"\dt lists the tables", expected <= tables, printed)
        printed = place.server.psql(
            "SELECT a.alert_type, COUNT(*), SUM(t.amount) FROM alerts a JOIN transactions t ON t.transaction_id = a.transaction_id GROUP BY 1",
            place.database,
        )
        joined = sum(int(line.split("|")[1]) for line in printed.splitlines()[2:] if line.count("|") == 2)
        report.equal("alerts joined with their transactions", joined, int(place.sql("SELECT COUNT(*) FROM alerts")))
        kinds = place.sql("SELECT pg_typeof(created_at), pg_typeof(document) FROM predictions LIMIT 1") + place.sql("SELECT pg_typeof(amount) FROM transactions LIMIT 1")
        report.equal("types", kinds, "timestamp with time zone|jsonnumeric")

        client = api.login(instance.http, instance.password)
        report.equal("the API gives every prediction", len(client.pages("/api/v1/predictions", 700)), 2001)
        view = client.get("/api/v1/transactions/one-more").json
        report.check("one transaction with its decision and alerts", view["prediction"]["decision"] == "review" and len(view["alerts"]) == 1, view)
        document = next(m.value() for m in read_all(instance.kafka, "decisions") if json.loads(m.value())["transaction_id"] == "one-more")
        found = client.get("/api/v1/predictions", account_id="acc-one-more", limit=1).body
        report.check("documents come back byte for byte", document in found, (document, found))

        options = ["--project", place.project, "--data", instance.data]
        shown = instance.run("store", "status", *options, "--output", "json")
        found = json.loads(shown.stdout)
        report.check("store status: the server", found["backend"].startswith("PostgreSQL ") and found["place"].endswith(f"/{place.database}"), found)
        report.equal("store status: rows and lag", (found["totals"]["transactions"], found["lag"], found["keep"]), (2001, 0, None))
        report.check("store status for people", "up to date" in instance.run("store", "status", *options).stdout)
        report.equal("store migrate has nothing to do", json.loads(instance.run("store", "migrate", *options, "--output", "json").stdout)["before"], 1)
        report.check("doctor asks the server", "2,001" in instance.run("doctor", *options).stdout or "2001 decisions" in instance.run("doctor", *options).stdout)
        added = instance.run("lists", "show", "suspicious_merchants", "--data", instance.data, "--project", place.project)
        report.check("the folder's owner needs no password", added.returncode == 0, added.stderr)
        key = instance.data / "token.key"
        report.equal("the key is the owner's alone", key.stat().st_mode & 0o077, 0)
        report.equal("there is no file beside", (instance.data / "store.db").exists(), False)

        # What is too old goes, in batches, while the instance runs.
        place.sql("UPDATE predictions SET created_at = created_at - interval '3 days' WHERE sequence < 1500")
        old = int(place.sql("SELECT COUNT(*) FROM predictions WHERE sequence < 1500"))
        removed = json.loads(instance.run("store", "vacuum", *options, "--older-than", "2d", "--output", "json").stdout)["removed"]
        report.equal("vacuum removes what is too old", (removed["decisions"], place.stored()), (old, 2001 - old))
        left = [int(n) for n in place.sql("SELECT (SELECT COUNT(*) FROM transactions), (SELECT SUM(value) FROM totals WHERE name IN ('allow', 'review', 'block'))").split("|")]
        report.equal("transactions and totals agree", left, [2001 - old] * 2)
        code, _ = instance.stop()
        report.equal("it stops well", code, 0)
        everything = instance.log.read_text(errors="replace") + json.dumps(said) + "".join(instance.printed) + shown.stdout + shown.stderr
        report.check("no password is printed", PASSWORD not in everything and "p%40ss" not in everything)


def encrypted(report, place):
    """What each `sslmode` proves."""
    authority, options = place.server.authority, ["--project", place.project, "--data", place.folder]
    for host, asked, works in [
        ("127.0.0.1", "?sslmode=disable", True),
        ("127.0.0.1", "?sslmode=require", True),
        ("127.0.0.1", f"?sslmode=verify-ca&sslrootcert={authority}", True),
        ("localhost", f"?sslmode=verify-full&sslrootcert={authority}", True),
        # The certificate names another host, or comes from nobody whom this machine trusts.
        ("127.0.0.1", f"?sslmode=verify-full&sslrootcert={authority}", False),
        ("localhost", "?sslmode=verify-full", False),
        ("localhost", "?sslmode=verify-ca", False),
    ]:
        place.set_address(host, asked)
        done = place.instance.run("store", "migrate", *options)
        good = done.returncode == 0 if works else done.returncode != 0 and "sslmode" in done.stderr
        report.check(f"{host}, {asked.split('&')[0][1:]}: {'works' if works else 'is refused'}", good, done.stdout + done.stderr)
    place.server.sql("ALTER ROLE sluice PASSWORD 'changed'")
    refused = place.instance.run("store", "migrate", *options)
    place.server.sql(f"ALTER ROLE sluice PASSWORD '{PASSWORD}'")
    report.check("a wrong password is told, and not shown", refused.returncode != 0 and PASSWORD not in refused.stderr, refused.stderr)


def retention(report, place):
    """`keep` in sluice.yml."""
    with place.instance as instance:
        instance.start()
        send(instance, 3000, "kept")
        until("the decisions", lambda: place.stored() == 3000, 60)
        instance.stop()
        place.sql("UPDATE predictions SET created_at = created_at - interval '3 days' WHERE sequence < 2500")
        left = int(place.sql("SELECT COUNT(*) FROM predictions WHERE sequence >= 2500"))
        instance.start()
        until("what is too old to go", lambda: place.stored() == left, 60)
        report.check("what is older than `keep` goes by itself", True)
        report.equal("with its transactions", int(place.sql("SELECT COUNT(*) FROM transactions")), left)


def started_at_once(report, binary, folder, server):
    """Two instances on one empty database: both are up, and there is one first user."""
    first = Place(binary, folder, server, "at_once")
    second = Instance(binary, first.folder / "second", first.project, environment={**first.instance.environment})
    second.folder.mkdir()
    pair = [first.instance, second]
    for instance in pair:
        del instance.environment["SLUICE_ADMIN_PASSWORD"]
    try:
        for instance in pair:
            instance.spawn()
        said = [instance.wait_ready(90) for instance in pair]
        passwords = [s["admin_password"] for s in said if "admin_password" in s]
        report.equal("two that start at once: one password is shown", len(passwords), 1)
        for instance in pair:
            api.login(instance.http, passwords[0])
        report.equal("which is right on both, and the tables were made once", first.sql("SELECT COUNT(*) FROM sluice_migrations"), "1")
        token = api.login(pair[0].http, passwords[0]).token
        report.equal("a token of one is good at the other", api.Client(pair[1].http, token).get("/api/v1/stats").status, 200)
    finally:
        for instance in pair:
            if instance.is_running():
                instance.kill()


def judged_meanwhile(report, place, what, count, prefix):
    """Payments while the store does not go on: judged, answered, the lag shown, little memory taken."""
    instance, client = place.instance, api.Client(place.instance.http, place.token)
    before = resident_mb(instance)
    position = reader(instance)["position"]
    ids = send(instance, count, prefix)
    answers = [client.predict(payment(f"{prefix}-http-{n}")).status for n in range(20)]
    report.equal(f"{what}: predict answers", answers, [200] * 20)
    until(f"{what}: everything to be judged", lambda: status(instance)["sequence"]["durable"] > 0 and reader(instance)["end"] - position >= count + 20, 120)
    found = reader(instance)
    report.check(f"{what}: the lag is shown", found["lag"] >= count and metric(instance, "sluice_store_lag_records") >= count, found)
    grown = resident_mb(instance) - before
    print(f"        {what}: {found['lag']} decisions behind, {grown} MB more memory")
    report.check(f"{what}: memory is bounded", grown < MEMORY_MB, f"{grown} MB")
    return ids | {f"{prefix}-http-{n}" for n in range(20)}


def refused(report, client, what):
    """Questions to the store: 503 with the time to come back, login included."""
    for name, ask in [
        ("predictions", lambda: client.get("/api/v1/predictions")),
        ("login", lambda: client.post("/api/v1/auth/login", {"username": "admin", "password": "x"})),
    ]:
        at = time.monotonic()
        answer = ask()
        took = time.monotonic() - at
        good = answer.status == 503 and answer.is_problem and int(answer.headers.get("retry-after", 0)) > 0
        report.check(f"{what}: {name} is a 503 with Retry-After", good and took < 25, (answer.status, answer.headers, took))


def away_and_slow(report, place, seconds, count):
    server = place.server
    with place.instance as instance:
        instance.start()
        place.token = api.login(instance.http, instance.password).token
        wanted = send(instance, 1000, "before")
        caught_up(place)

        server.stop()
        gone = time.monotonic()
        wanted |= judged_meanwhile(report, place, "away", count, "away")
        refused(report, api.Client(instance.http, place.token), "away")
        until("trouble to be shown", lambda: reader(instance)["state"] != "up", 30)
        shown = instance.run("status", "--data", instance.data).stdout
        report.check("away: `sluice status` says so", "behind" in shown and "postgres" in shown.lower(), shown)
        ready = api.Client(instance.http).get("/ready")
        report.equal("away: it is ready all the same", ready.status, 200)
        while time.monotonic() - gone < seconds:
            time.sleep(0.2)
        server.start()
        caught_up(place)
        report.equal("back: nothing is lost", place.stored(), len(wanted))
        report.equal("back: trouble is over", reader(instance)["state"], "up")

        # A table that somebody locks: slow for the writer alone.
        holder = subprocess.Popen(
            server._psql("BEGIN; LOCK TABLE predictions IN EXCLUSIVE MODE; SELECT pg_sleep(600)", place.database),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        held = "SELECT COUNT(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted AND relation = 'predictions'::regclass"
        until("the lock", lambda: place.sql(held) == "1", 30)
        wanted |= judged_meanwhile(report, place, "locked", count, "locked")
        answer = api.Client(instance.http, place.token).get("/api/v1/predictions", limit=1)
        report.equal("locked: questions are answered", answer.status, 200)
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()")
        holder.wait(timeout=30)
        caught_up(place)
        report.equal("unlocked: nothing is lost", place.stored(), len(wanted))

        # Each batch takes a second.
        place.sql(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;"
            "CREATE TRIGGER slow AFTER INSERT ON predictions FOR EACH STATEMENT EXECUTE FUNCTION slow()"
        )
        position = reader(instance)["position"]
        wanted |= send(instance, count, "slow")
        until("a slow server to go on", lambda: reader(instance)["position"] > position, 60)
        place.sql("DROP TRIGGER slow ON predictions")
        caught_up(place)
        report.equal("slow: nothing is lost", place.stored(), len(wanted))

        # All of its processes are frozen: no answer at all, not even a refusal.
        frozen = [server.process.pid, *server.children()]
        for pid in frozen:
            signal_if_there(pid, signal.SIGSTOP)
        try:
            wanted |= judged_meanwhile(report, place, "frozen", 500, "frozen")
            refused(report, api.Client(instance.http, place.token, timeout=60), "frozen")
            code, took = instance.stop()
            report.check("frozen: it stops all the same", code == 0 and took < 25, f"{code} after {took:.1f} s")
        finally:
            for pid in frozen:
                signal_if_there(pid, signal.SIGCONT)
        instance.start()
        caught_up(place)
        report.equal("thawed: the next start stores the rest", place.stored(), len(wanted))
        check_rows(report, place, wanted, "after all of it")


def network(report, place, count, half_open):
    """The server is well, and the network before it is not. A connection over which nothing comes any more is given up after a minute."""
    with Proxy(("127.0.0.1", place.server.port)) as proxy:
        place.set_address("127.0.0.1", "?sslmode=disable", port=proxy.port)
        with place.instance as instance:
            instance.start()
            place.token = api.login(instance.http, instance.password).token
            wanted = send(instance, 1000, "before")
            caught_up(place)
            for what, fault in [("cut", proxy.cut)] + [("half-open", proxy.lose)] * half_open:
                hits = proxy.hits
                fault()
                wanted |= judged_meanwhile(report, place, what, count, what)
                report.check(f"{what}: connections were hit", proxy.hits > hits)
                proxy.heal()
                caught_up(place)
                report.equal(f"{what}, healed: nothing is lost", place.stored(), len(wanted))
            position = reader(instance)["position"]
            proxy.slow(0.02, 1 << 20)
            wanted |= send(instance, count, "slow")
            until("a slow network to bring something", lambda: reader(instance)["position"] > position, 60)
            proxy.heal()
            caught_up(place)
            check_rows(report, place, wanted, "after a network that failed")


def check_rows(report, place, wanted, what):
    """Each decision of the topic stands once, with its transaction and its alerts."""
    topic = decided(place.instance)
    report.equal(f"{what}: each is decided once", (len(topic), set(topic) == wanted), (len(wanted), True))
    ids = set(place.sql("SELECT transaction_id FROM predictions").splitlines())
    report.check(f"{what}: the store has the same", ids == wanted, f"{len(ids)} of {len(wanted)}, missing {sorted(wanted - ids)[:3]}")
    numbers = place.sql(
        "SELECT (SELECT COUNT(*) FROM predictions), (SELECT COUNT(*) FROM transactions), (SELECT COUNT(*) FROM transactions t JOIN predictions p"
        " ON p.sequence = t.sequence AND p.transaction_id = t.transaction_id), (SELECT SUM(value) FROM totals WHERE name IN ('allow', 'review', 'block'))"
    )
    report.equal(f"{what}: rows, joins and totals agree", numbers, "|".join([str(len(wanted))] * 4))
    alerts = [json.loads(m.value())["alert_id"] for m in read_all(place.instance.kafka, "alerts")]
    stored = place.sql("SELECT alert_id FROM alerts").splitlines()
    report.check(f"{what}: alerts, each once", sorted(alerts) == sorted(stored) and len(set(alerts)) == len(alerts), (len(alerts), len(stored)))


class Load(threading.Thread):
    """Payments in portions, over so many seconds; what is not acknowledged is sent again, with the same content."""

    def __init__(self, count, seconds):
        super().__init__(daemon=True)
        self.pause = seconds * PORTION / count
        shoppers = Shoppers(11, "crash", accounts=5000)
        self.open = {}
        for _ in range(count):
            transaction_id, account, content = shoppers.next()
            self.open[transaction_id] = (account, content)
        self.wanted = set(self.open)
        self.bootstrap = None
        self.lock = threading.Lock()
        self.halt = False

    def _acked(self, mark, _message):
        with self.lock:
            self.open.pop(mark, None)

    def run(self):
        while not self.halt:
            with self.lock:
                batch = list(self.open.items())
            if not batch:
                return
            bootstrap = self.bootstrap
            if bootstrap is None:
                time.sleep(0.05)
                continue
            sender = Sender(bootstrap, self._acked, **{"message.timeout.ms": 3000})
            for sent, (mark, (account, content)) in enumerate(batch):
                sender.send(TOPIC, mark, content, key=account)
                # So that there is something left for each round.
                if sent % PORTION == PORTION - 1:
                    sender.flush(5)
                    time.sleep(self.pause)
                if self.halt or self.bootstrap != bootstrap:
                    break
            sender.flush(4)
            sender.give_up()


def crashes(report, place, rounds, count, chance):
    server, instance = place.server, place.instance
    rows = []
    load = Load(count, rounds * ROUND_SECONDS)
    with instance:
        instance.start()
        load.bootstrap = instance.kafka
        load.start()
        for number in range(rounds):
            time.sleep(chance.uniform(0.3, 2.0))
            kind = ["sluice", "server", "session", "both", "sluice while it starts"][number % 5]
            before = place.stored() if server.process else None
            if kind in ("server", "both"):
                server.kill()
            if kind == "session":
                sessions = server.children("sluice")
                for pid in sessions:
                    signal_if_there(pid, signal.SIGKILL)
                # The others end then, and the server recovers by itself.
                until("the server to recover", lambda: server._answers(), 60)
            if kind in ("sluice", "both", "sluice while it starts"):
                load.bootstrap = None
                instance.kill()
            if kind == "sluice while it starts":
                instance.spawn()
                time.sleep(chance.uniform(0.0, 0.5))
                instance.kill()
            if kind == "both":
                # Sluice comes first and has to wait for its store.
                instance.spawn()
                time.sleep(chance.uniform(0.0, 1.0))
                server.start()
                instance.wait_ready(90)
            elif kind == "server":
                time.sleep(chance.uniform(0.0, 1.0))
                server.start()
            elif not instance.is_running():
                instance.start(90)
            load.bootstrap = instance.kafka
            rows.append([number + 1, f"kill -9 of {kind}", before, place.stored(), len(load.open)])
        load.join(timeout=max(120, count / 500))
        report.equal("all payments were acknowledged", len(load.open), 0)
        load.halt = True
        until("the decisions", lambda: reader(instance)["end"] >= count, 300)
        caught_up(place, 600)
        report.table(["round", "fault", "stored before", "stored after", "not yet acknowledged"], rows)
        check_rows(report, place, load.wanted, f"after {rounds} kills over {count} payments")
        report.check("no part gave up", "a part ended" not in instance.log.read_text(errors="replace"))


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how often something is killed")
    parser.add_argument("--count", type=int, default=30_000, help="payments that are judged meanwhile")
    parser.add_argument("--away", type=float, default=5, help="seconds without a server; from 30 on, connections are half-open for a minute as well")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", nargs="*", help="these parts: suite people encrypted retention at_once away network crashes")
    args = parser.parse_args()
    report = Report("postgres")
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    binary = args.sluice.resolve()
    with Workspace("postgres", args.keep) as folder, Postgres() as server:
        parts = {
            "suite": lambda: suite(report, server),
            "people": lambda: as_people_use_it(
                report, Place(binary, folder, server, "people", host="localhost", options=f"?sslmode=verify-full&sslrootcert={server.authority}")
            ),
            "encrypted": lambda: encrypted(report, Place(binary, folder, server, "encrypted")),
            "retention": lambda: retention(report, Place(binary, folder, server, "kept", keep="2 days")),
            "at_once": lambda: started_at_once(report, binary, folder, server),
            "away": lambda: away_and_slow(report, Place(binary, folder, server, "away"), args.away, 3000),
            "network": lambda: network(report, Place(binary, folder, server, "network"), 2000, args.away >= 30),
            "crashes": lambda: crashes(report, Place(binary, folder, server, "crashes"), args.rounds, args.count, random.Random(seed)),
        }
        for name, part in parts.items():
            if not args.only or name in args.only:
                at = time.monotonic()
                with report.part(name):
                    part()
                print(f"        {name} took {time.monotonic() - at:.1f} s")
        if report.failed:
            print(f"--- the end of the server's log:\n{server.log.read_text(errors='replace')[-2000:]}")
    report.finish()


if __name__ == "__main__":
    main()
