#!/usr/bin/env python3
"""Everything that passes the log lands in the lake once: kill -9 at random moments under load, again and again on the same data, and then
each table holds exactly the records of its topics, row by row, as other programs read it (the `deltalake` package, DuckDB) and as
`sluice sql` does. What cannot be read is there with its bytes; each record has its place in the sequence. Then the upkeep of tables beside
a running instance, and what comes back from an older version.
"""

import json
import random
import sys
import time
from decimal import Decimal

import duckdb
from deltalake import DeltaTable

from harness.instance import Instance, NotReady, Workspace, arguments, until
from harness.payments import PREDICT_TOPIC, TOPIC, Shoppers, encode, stamp
from harness.report import Report
from harness.topics import Reader, Sender, partitions, read_all
from harness import api

# Table, the topics that land in it.
LANDS = {
    "transactions": [TOPIC, PREDICT_TOPIC],
    "clickstream": ["clickstream"],
    "account_balances": ["account_balances"],
    **{
        stream: [stream]
        for stream in ("merchant_info", "customers", "labels", "order_items", "orders", "payments", "products", "reviews", "user_profiles")
    },
    "decisions": ["decisions"],
    "alerts": ["alerts"],
    "features": ["features"],
    "dead_letters": ["dead-letters"],
    "sequence": ["sequence"],
    "control": ["control"],
}
BROKEN = [b"{", b"\xff\xfe", b'{"transaction_id": 7}']


def load(instance, chance, shoppers, seconds):
    """Payments, clicks, balances and records that nobody can read, for some time; what becomes of them is the log's business."""
    sender = Sender(instance.kafka, lambda *_: None)
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for _ in range(20):
            n += 1
            transaction_id, account, content = shoppers.next()
            if n % 50 == 0:
                # A field that the stream does not declare.
                content = content[:-1] + b',"undeclared":{"deep":[1,2]}}'
            sender.send(TOPIC, transaction_id, content, key=account)
            if n % 7 == 0:
                click = {"event_id": f"{transaction_id}-c", "session_id": f"ses-{account}", "page": "/7", "event_time": stamp()}
                sender.send("clickstream", None, encode(click), key=click["session_id"])
            if n % 40 == 0:
                balance = {"account_id": account, "balance": n / 100, "updated_at": stamp()}
                sender.send("account_balances", None, encode(balance), key=account)
            if n % 60 == 0:
                sender.send(TOPIC, None, chance.choice(BROKEN))
        sender.producer.poll(0.02)
    return sender


def table(instance, name):
    return DeltaTable(str(instance.data / "lake" / "bronze" / name))


def versions(instance):
    """Versions that tables have got, all together."""
    return sum(1 for _ in (instance.data / "lake" / "bronze").glob("*/_delta_log/*.json"))


def ends(instance, topic):
    reader = Reader(instance.kafka, topic)
    try:
        return reader.ends()
    finally:
        reader.close()


def landed(instance):
    """Whether every table stands where its topics end. Only what holds records is waited for."""
    for name, topics in LANDS.items():
        for topic in topics:
            for partition, end in ends(instance, topic).items():
                if end == 0:
                    continue
                try:
                    at = table(instance, name).transaction_version(f"sluice:{topic}:{partition}")
                except Exception:  # noqa: BLE001 - the table is not there yet, or being made
                    return False
                if at is None or at < end:
                    return False
    return True


def settled(instance):
    """Waits until everything landed and nothing more is judged."""
    until("everything landed", lambda: landed(instance), 120)


def rows_of(instance, name, columns):
    return table(instance, name).to_pyarrow_table(columns=columns).to_pylist()


def sequences(instance):
    """(topic, partition, offset) to its place in the sequence, as the topic says."""
    places = {}
    for message in read_all(instance.kafka, "sequence"):
        entry = json.loads(message.value())
        place = entry["first"]
        for run in entry["runs"]:
            for offset in range(run["first"], run["last"] + 1):
                places[(run["topic"], run["partition"], offset)] = place
                place += 1
    return places


def compare(report, instance):
    """Each table against its topics."""
    records = {}
    counts = []
    for name, topics in LANDS.items():
        found = {(m.topic(), m.partition(), m.offset()): m for topic in topics for m in read_all(instance.kafka, topic)}
        records[name] = found
        stand = [(r["_topic"], r["_partition"], r["_offset"]) for r in rows_of(instance, name, ["_topic", "_partition", "_offset", "_sequence"])]
        there = set(stand)
        if name != "features":
            # A record of feature vectors has as many rows as it holds vectors.
            report.check(f"no record stands twice in {name}", len(there) == len(stand), f"{len(stand) - len(there)} do")
        report.check(f"each of {len(found)} records is in {name}, and nothing else", there == found.keys(),
                     f"{len(found.keys() - there)} missing such as {sorted(found.keys() - there)[:3]}, {len(there - found.keys())} too many")
        counts.append([name, len(found), len(stand), table(instance, name).version(), len(table(instance, name).file_uris())])
    report.table(["table", "records", "rows", "version", "files"], counts)
    return records


def contents(report, instance, records):
    """Row by row."""
    places = sequences(instance)
    columns = ["_topic", "_partition", "_offset", "_sequence", "_raw", "transaction_id", "amount", "event_time", "event_date"]
    wrong, unread, undeclared, total = [], 0, 0, Decimal(0)
    for row in rows_of(instance, "transactions", columns):
        at = (row["_topic"], row["_partition"], row["_offset"])
        value = records["transactions"][at].value()
        if row["_sequence"] != places.get(at):
            wrong.append((at, "sequence", row["_sequence"], places.get(at)))
        if value in BROKEN:
            unread += 1
            if row["_raw"] != value or row["transaction_id"] is not None:
                wrong.append((at, "raw", row["_raw"]))
            continue
        sent = json.loads(value, parse_float=Decimal)
        total += sent["amount"]
        if "undeclared" in sent:
            undeclared += 1
        same = (
            row["transaction_id"] == sent["transaction_id"]
            and row["amount"] == sent["amount"]
            and row["event_time"].isoformat(timespec="microseconds").replace("+00:00", "Z") == sent["event_time"]
            and row["event_date"] == row["event_time"].date()
            and row["_raw"] == (value if "undeclared" in sent else None)
        )
        if not same:
            wrong.append((at, row, sent))
    report.check(f"each payment is its record, field by field ({unread} unreadable, {undeclared} with more than was declared)",
                 not wrong and unread and undeclared, f"{len(wrong)} are not, such as {wrong[:2]}")

    wrong = []
    for row in rows_of(instance, "decisions", ["_partition", "_offset", "sequence", "_sequence", "transaction_id", "decision", "score", "evidence", "source_offset"]):
        sent = json.loads(records["decisions"][("decisions", row["_partition"], row["_offset"])].value())
        same = all(row[k] == sent[k] for k in ("sequence", "transaction_id", "decision", "score")) and row["source_offset"] == sent["offset"]
        if not same or row["_sequence"] != row["sequence"] or json.loads(row["evidence"]) != sent["values"]:
            wrong.append((row, sent))
    report.check("each decision is its record", not wrong, f"{len(wrong)} are not, such as {wrong[:1]}")

    vectors = [r["_sequence"] for r in rows_of(instance, "features", ["_sequence"])]
    judged = [json.loads(m.value())["sequence"] for m in records["decisions"].values()]
    report.check("each judged payment has one feature vector", sorted(vectors) == sorted(judged), f"{len(vectors)} vectors, {len(judged)} decisions")
    return total


def foreign(report, instance, records, total):
    """Others count the same, and so do we."""
    payments = sum(1 for m in records["transactions"].values() if m.value() not in BROKEN)
    files = [f.removeprefix("file://") for f in table(instance, "transactions").file_uris()]
    duck = duckdb.connect()
    found = duck.execute("select count(*), count(transaction_id), sum(amount) from read_parquet(?, hive_partitioning = true)", [files]).fetchone()
    report.equal("DuckDB reads the same rows from the table's files", (found[0], found[1], found[2]), (len(records["transactions"]), payments, total))
    sql = "select count(*) as n, count(transaction_id) as read, sum(amount) as total, count(distinct _topic || _partition || ':' || _offset) as places from bronze.transactions"
    said = query(instance, sql)[0]
    report.equal("`sluice sql` reads the same rows", (said["n"], said["read"], Decimal(str(said["total"])), said["places"]),
                 (len(records["transactions"]), payments, total, len(records["transactions"])))
    joined = query(instance, "select count(*) as n from bronze.decisions d join bronze.transactions t on d.sequence = t._sequence and d.transaction_id = t.transaction_id")
    report.equal("decisions and payments meet by their place in the sequence", joined[0]["n"], len(records["decisions"]))


def query(instance, sql, *more):
    """Rows of a query, by the command."""
    done = instance.run("sql", sql, "--data", instance.data, "--project", instance.project, "--output", "json", *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]


def lake(instance, *words):
    done = instance.run("lake", *words, "--data", instance.data, "--project", instance.project, "--output", "json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def upkeep(report, instance):
    """Beside the running instance."""
    count = "select count(*) as n from bronze.transactions"
    before = query(instance, count)[0]["n"]
    told = {row["table"]: row for row in lake(instance, "status")}
    report.equal("status counts the rows", told["bronze.transactions"]["rows"], before)
    version = told["bronze.transactions"]["version"]
    made = lake(instance, "optimize", "bronze.transactions")[0]
    report.check("optimize makes few files of many", made["files_removed"] > made["files_added"] > 0, made)
    report.check("and the history says so", any(h["operation"] == "OPTIMIZE" for h in lake(instance, "history", "bronze.transactions")))
    report.equal("the rows are the same", query(instance, count)[0]["n"], before)
    sender = Sender(instance.kafka, lambda *_: None)
    shoppers = Shoppers(1, "after")
    for _ in range(10):
        transaction_id, account, content = shoppers.next()
        sender.send(TOPIC, transaction_id, content, key=account)
    report.equal("ten more are sent", sender.flush(30), 0)
    until("ten more landed", lambda: query(instance, count)[0]["n"] == before + 10)
    report.equal("an older version is still there", query(instance, count, "--version", f"bronze.transactions={version}")[0]["n"], before)
    report.equal("nothing that is needed would be vacuumed", lake(instance, "vacuum", "bronze.transactions", "--dry-run")[0]["files"], [])
    columns = {c["name"]: c["type"] for c in lake(instance, "describe", "bronze.transactions")[0]["columns"]}
    report.equal("columns have the stream's types", (columns["amount"], columns["event_time"], columns["_offset"]), ("decimal(18,2)", "timestamp with time zone", "bigint"))
    refused = instance.run("lake", "restore", "bronze.transactions", "0", "--data", instance.data, "--project", instance.project)
    report.check("a table that records land in is not restored", refused.returncode == 1 and "hint" in refused.stderr, refused.stderr)
    changed = instance.run("sql", "drop table bronze.transactions", "--data", instance.data, "--project", instance.project)
    report.equal("sql only reads", (changed.returncode, query(instance, count)[0]["n"]), (1, before + 10))


def shown(report, instance):
    """What an instance tells of its lake."""
    client = api.login(instance.http, instance.password)
    readers = {r["name"]: r for r in client.get("/status").json["readers"]}
    report.check("the status shows the lake's reader at the end of the decisions", readers["lake"]["lag"] == 0 and readers["lake"]["state"] == "up", readers)
    metrics = client.get("/metrics").body.decode()
    rows = [line for line in metrics.splitlines() if line.startswith('sluice_lake_rows_total{table="transactions"}')]
    report.check("metrics count the rows that landed", rows and float(rows[0].split()[-1]) > 0, rows)
    report.check("and how far the lake is behind", "sluice_lake_lag_records 0" in metrics, [line for line in metrics.splitlines() if "lake_lag" in line])


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0, help="the longest life under load")
    parser.add_argument("--seed", type=int, default=None, help="of moments and payments; printed when chosen here")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    chance, report = random.Random(seed), Report("lake")
    with Workspace("lake", options.keep) as folder, Instance(options.sluice, folder, options=["--lake", folder / "data" / "lake"]) as instance:
        # Many versions, so that kills meet them; the last life has the usual ones.
        instance.environment["SLUICE_LAKE_SECONDS"] = "0.1"
        shoppers = Shoppers(seed, "p")
        for n in range(options.rounds):
            try:
                instance.start()
            except NotReady as error:
                report.check(f"round {n + 1} starts on what the kill left", False, error)
                break
            before = versions(instance)
            sender = load(instance, chance, shoppers, chance.uniform(0.2, options.seconds))
            if n % 4:
                # A kill while tables get versions; every fourth comes while the instance starts to land.
                until("a version in this life", lambda: versions(instance) > before)
                time.sleep(chance.uniform(0.0, 0.3))
            instance.kill()
            sender.give_up()
        else:
            report.check(f"all {options.rounds} rounds start on what the kill before left", True)
        del instance.environment["SLUICE_LAKE_SECONDS"]
        instance.start()
        simulated = instance.run("simulate", "--count", 1000, "--to", "kafka", "--kafka", instance.kafka, "--cursor", folder / "world.cursor")
        report.equal("a simulated world is sent", simulated.returncode, 0)
        sender = load(instance, chance, shoppers, 0.5)
        report.equal("the last payments are taken", sender.flush(30), 0)
        # A payment to each partition: when these are decided, so is all that stands before them.
        last = []
        for partition in partitions(instance.kafka, TOPIC):
            transaction_id, account, content = shoppers.next()
            last.append(transaction_id)
            sender.send(TOPIC, transaction_id, content, key=account, partition=partition)
        sender.flush(30)
        wait_for_decisions(instance, last)
        settled(instance)
        with report.part("tables hold what the topics hold"):
            records = compare(report, instance)
            total = contents(report, instance, records)
            foreign(report, instance, records, total)
        with report.part("what is told"):
            shown(report, instance)
        with report.part("upkeep"):
            upkeep(report, instance)
        code, seconds = instance.stop()
        report.equal("it stops by itself", code, 0)
        report.check("within 5 s", seconds < 5, f"took {seconds:.1f} s")
    report.finish()


def wait_for_decisions(instance, last):
    reader = Reader(instance.kafka, "decisions")
    seen = set()

    def complete():
        seen.update(json.loads(m.value())["transaction_id"] for m in reader.to_end())
        return seen.issuperset(last)

    try:
        until("the decisions of the last payments", complete)
    finally:
        reader.close()


if __name__ == "__main__":
    sys.exit(main())
