#!/usr/bin/env python3
"""The SQL models of the shipped project over a simulated shop that landed in the lake: everything builds and every test passes; what stands in
silver and gold is what DuckDB makes of the simulator's own files, row by row and to the cent, and what the simulator's books say; a build of
more data takes the new alone, and makes the same tables as one from the beginning, also where builds are killed; and a table whose rows are
broken is found out, by each kind of test, and stops what reads it.
"""

import itertools
import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import yaml
from confluent_kafka import Producer

from harness import lakehouse
from harness.instance import ECOMMERCE, Instance, Workspace, arguments, until
from harness.report import Report
from harness.topics import Reader, read_all

START = "2026-01-05T00:00:00Z"
# What comes first is built, and then the rest by what is new.
MIDDLE = "2026-01-20"
# Nodes that are done when a build is killed.
KILLED_AFTER = (3, 20, 180)
SEED = 23
MONEY = "decimal(18,2)"
COLUMNS = {
    "transactions": {
        "transaction_id": "varchar", "transaction_type": "varchar", "amount_base": MONEY, "event_time": "timestamp", "session_id": "varchar",
        "order_id": "varchar", "customer_id": "varchar", "currency": "varchar", "amount": MONEY,
    },
    "orders": {"order_id": "varchar", "customer_id": "varchar", "order_date": "timestamp", "status": "varchar", "total_amount": MONEY,
               "items": "bigint", "updated_at": "timestamp"},
    "order_items": {"order_item_id": "varchar", "order_id": "varchar", "product_id": "varchar", "quantity": "bigint", "unit_price": MONEY,
                    "discount": MONEY},
    "payments": {"payment_id": "varchar", "order_id": "varchar", "amount": MONEY, "status": "varchar", "transaction_id": "varchar"},
    "labels": {"transaction_id": "varchar", "label": "varchar", "scenario": "varchar", "known_at": "timestamp"},
    "clickstream": {"event_id": "varchar", "session_id": "varchar", "product_id": "varchar", "action": "varchar", "event_time": "timestamp"},
    "customers": {"customer_id": "varchar", "country": "varchar", "updated_at": "timestamp"},
    "products": {"product_id": "varchar", "name": "varchar", "category": "varchar", "subcategory": "varchar", "price": MONEY, "cost": MONEY, "updated_at": "timestamp"},
}
# What an independent program makes of the simulator's files; each must be the table of the same name in gold, row by row.
EXPECTED = {
    "daily_sales": f"""
        with last as (select *, row_number() over (partition by order_id order by updated_at desc) n from orders),
        paid as (select distinct order_id from orders where status = 'paid'),
        refunds as (select order_id, sum(amount) refunded from payments where status = 'refunded' group by 1)
        select order_date::date as order_day, count(*) as orders, count(paid.order_id) as paid_orders, count(distinct customer_id) as customers,
            sum(items)::bigint as items, sum(total_amount)::{MONEY} as ordered_amount,
            sum(case when paid.order_id is null then 0 else total_amount end)::{MONEY} as revenue,
            coalesce(sum(refunded), 0)::{MONEY} as refunded
        from last left join paid using (order_id) left join refunds using (order_id) where n = 1 group by 1""",
    "fraud_daily": f"""
        with truth as (select transaction_id, arg_max(label, known_at) = 'fraud' as fraud from labels group by 1),
        all_of as (select event_time::date as day, amount_base as amount, coalesce(fraud, false) as fraud, decision <> 'allow' as held
            from transactions join verdicts using (transaction_id) left join truth using (transaction_id))
        select day as event_day, count(*) as transactions, sum(amount)::{MONEY} as amount, count(*) filter (fraud) as fraud,
            count(*) filter (fraud and held) as caught, count(*) filter (fraud and not held) as missed,
            count(*) filter (held and not fraud) as false_alarms, coalesce(sum(amount) filter (fraud and held), 0)::{MONEY} as money_saved,
            coalesce(sum(amount) filter (fraud and not held), 0)::{MONEY} as money_lost
        from all_of group by 1""",
    "customer_lifetime_value": f"""
        with who as (select customer_id, arg_max(country, updated_at) country from customers group by 1),
        last as (select order_id, customer_id, order_date, total_amount, row_number() over (partition by order_id order by updated_at desc) n from orders),
        paid as (select distinct order_id from orders where status = 'paid')
        select who.customer_id, who.country, count(order_id) as orders, count(paid.order_id) as paid_orders, min(order_date)::date as first_order_day,
            coalesce(sum(case when paid.order_id is null then 0 else total_amount end), 0)::{MONEY} as revenue
        from who left join (select * from last where n = 1) using (customer_id) left join paid using (order_id) group by 1, 2""",
    "product_performance": f"""
        with sold as (select distinct product_id from products), paid as (select distinct order_id from orders where status = 'paid')
        select sold.product_id, count(distinct paid.order_id) as orders,
            coalesce(sum(quantity) filter (paid.order_id is not null), 0)::bigint as pieces,
            coalesce(sum(quantity * unit_price - discount) filter (paid.order_id is not null), 0)::{MONEY} as revenue
        from sold left join order_items using (product_id) left join paid using (order_id) group by 1""",
    "conversion_funnel": """
        with gaps as (select *, coalesce(event_time - lag(event_time) over w > interval 30 minutes, true) begins from clickstream
            window w as (partition by session_id order by event_time, event_id)),
        visits as (select session_id, sum(begins::int) over (partition by session_id order by event_time, event_id) visit, event_time, product_id, action
            from gaps),
        one as (select session_id, visit, min(event_time)::date as started_day, max((action = 'view' and product_id is not null)::int) saw,
            max((action = 'add_to_cart')::int) cart, max((action = 'checkout')::int) checkout from visits group by 1, 2)
        select started_day, count(*) as visits, sum(saw)::bigint as saw_product, sum(cart)::bigint as put_in_cart,
            sum(checkout)::bigint as reached_checkout from one group by 1""",
}


class Lake:
    """What stands in the lake, read by a program of others."""

    def __init__(self, instance):
        self.folder = instance.folder / "lake"

    def table(self, name):
        return lakehouse.table(self.folder, name)

    def count(self, name):
        return lakehouse.rows(self.folder, name)

    def reaches(self, name, topic, ends):
        return lakehouse.reaches(self.folder, name, topic, ends)


def models(instance, verb, *options, project=None, lines=True):
    """Runs `sluice models VERB`: (exit code, documents it printed, result)."""
    place = ["--project", project or instance.project, "--lake", instance.folder / "lake", "--target", instance.folder / "target"]
    done = instance.run("models", verb, *place, "--output", "json", *options)
    documents = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")] if lines else []
    return done.returncode, documents, done


def bad(documents):
    return [(d["name"], d["status"], d.get("message")) for d in documents if d.get("status") in ("error", "fail", "skipped")]


def fields_of(stream):
    """The topic of a stream, the field that is its key, and the one that is its time."""
    text = yaml.safe_load((ECOMMERCE / "events" / f"{stream}.yml").read_text())
    return text.get("topic", stream), text["key"], text["event_time"]


def ends(instance, topic):
    """The next offset of each partition of a topic."""
    reader = Reader(instance.kafka, topic)
    try:
        return reader.ends()
    finally:
        reader.close()


def simulate(report, instance, world, count):
    """A shop as files, and its own books."""
    made = instance.run(
        "simulate", "--count", count, "--over", "30d", "--fraud-rate", "0.02", "--seed", SEED, "--start", START,
        "--to", world, "--totals", world / "totals.json",
    )
    report.check("a shop as files", made.returncode == 0, made.stderr)
    return json.loads((world / "totals.json").read_text())


def land(report, instance, world, wanted, belongs, what):
    """Sends the records that belong to a part of the time, and waits until as many stand in bronze."""
    producer = Producer({"bootstrap.servers": instance.kafka, "linger.ms": 5, "queue.buffering.max.messages": 1000000})
    records = []
    for file in sorted(world.glob("*.jsonl")):
        topic, key, time = fields_of(file.stem)
        for line in file.read_bytes().splitlines():
            record = json.loads(line)
            if belongs(record[time][:10]):
                wanted[f"bronze.{file.stem}"] = wanted.get(f"bronze.{file.stem}", 0) + 1
                records.append((record[time], topic, record[key], line))
    # As they happened, whatever their stream.
    for _, topic, key, line in sorted(records, key=lambda record: record[0]):
        producer.produce(topic, line, key=key)
        producer.poll(0)
    left = producer.flush(120)
    wanted["bronze.decisions"] = wanted["bronze.transactions"]
    lake = Lake(instance)
    until(f"{what} landed", lambda: all(lake.count(name) >= n for name, n in wanted.items()), 240)
    # Alerts are written with their decisions, but each table is committed by itself.
    until(f"alerts of {what} landed", lambda: lake.reaches("bronze.alerts", "alerts", ends(instance, "alerts")), 120)
    report.equal(f"{what} landed, nothing twice", (left, {name: lake.count(name) for name in wanted}), (0, wanted))


def shop(world, instance):
    """The simulator's files in DuckDB, and what was decided, as a Kafka client reads it."""
    database = duckdb.connect()
    for stream, columns in COLUMNS.items():
        declared = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        database.execute(
            f"create table {stream} as select * from read_json('{world}/{stream}.jsonl', columns = {{{declared}}}, format = 'newline_delimited')"
        )
    verdicts = [json.loads(message.value()) for message in read_all(instance.kafka, "decisions")]
    (world / "verdicts.json").write_text("\n".join(json.dumps({k: v[k] for k in ("transaction_id", "decision")}) for v in verdicts))
    database.execute(f"create table verdicts as select * from read_json('{world}/verdicts.json', format = 'newline_delimited')")
    return database


def compare(report, database, lake, totals):
    """Gold against what DuckDB makes of the same shop, and against the simulator's own books."""
    for name, sql in EXPECTED.items():
        lakehouse.compare(report, database, lake.folder, f"gold.{name}", sql)
    database.register("sales", lake.table("gold.daily_sales"))
    paid, refunded = database.execute("select sum(revenue), sum(refunded) from sales").fetchall()[0]
    net = {"paid": str(paid), "refunded": str(refunded), "net": str(Decimal(paid) - Decimal(refunded))}
    report.equal("revenue is the simulator's, to the cent", net, totals["revenue"])
    database.register("facts", lake.table("gold.fct_transactions"))
    kinds = database.execute(f"select transaction_type, count(*), sum(amount_base)::{MONEY} from facts group by 1").fetchall()
    report.equal("movements are the simulator's", {k: {"count": n, "amount": str(a)} for k, n, a in kinds}, totals["transactions"]["by_type"])
    scenarios = database.execute(f"select scenario, count(*), sum(amount_base)::{MONEY} from facts where is_fraud group by 1").fetchall()
    report.equal("fraud is the simulator's", {k: {"count": n, "amount": str(a)} for k, n, a in scenarios}, totals["fraud"]["by_scenario"])
    undecided = database.execute("select count(*) from facts where decision is null").fetchall()[0][0]
    report.equal("everything is decided", undecided, 0)


def versions(report, database, lake):
    """The snapshots hold what was seen when each was taken: after the first part, and after all of it."""
    changed = {"customers": "true", "products": " or ".join(f"a.{c} is distinct from b.{c}" for c in ("name", "category", "subcategory", "price", "cost"))}
    for stream, differs in changed.items():
        key = stream[:-1] + "_id"
        database.register("built", lake.table(f"gold.dim_{stream}"))
        latest = f"select *, row_number() over (partition by {key} order by updated_at desc) as n from {stream}"
        rows = database.execute(f"""
            with a as (select * from ({latest} where updated_at < timestamp '{MIDDLE}') where n = 1), b as (select * from ({latest}) where n = 1),
            expected as (
                select {key}, a.updated_at as since, case when {differs} then b.updated_at end as until from a join b using ({key}) where a.updated_at < b.updated_at
                union all select {key}, a.updated_at, null from a join b using ({key}) where a.updated_at = b.updated_at
                union all select {key}, b.updated_at, null from b left join a using ({key}) where a.{key} is null or (a.updated_at < b.updated_at and ({differs}))
            ),
            seen as (select {key}, (dbt_valid_from at time zone 'UTC')::timestamp as since, (dbt_valid_to at time zone 'UTC')::timestamp as until from built)
            select (select count(*) from expected), (select count(*) from expected where until is not null),
                (select count(*) from (select * from expected except all select * from seen)),
                (select count(*) from (select * from seen except all select * from expected))""").fetchall()[0]
        report.check(f"gold.dim_{stream}: {rows[0]} versions, {rows[1]} of them ended", rows[1] > 0 and rows[2:] == (0, 0), rows)


def digest(lake, name):
    """A table's rows, whatever their order."""
    return sorted(map(str, lake.table(name).to_pylist()))


def tables(lake):
    """Everything that models made."""
    return sorted(f"{path.parent.parent.name}.{path.parent.name}" for schema in ("silver", "gold") for path in (lake.folder / schema).glob("*/_delta_log"))


def killed(report, instance, lake):
    """kill -9 in the middle of a build, at several places: every table is readable as it was or as it becomes."""
    for lines in KILLED_AFTER:
        place = ["--project", instance.project, "--lake", lake.folder, "--target", instance.folder / "target"]
        command = [instance.binary, "models", "build", *place, "--output", "json"]
        with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as build:
            seen = sum(1 for _ in itertools.islice(build.stdout, lines))
            build.kill()
        unreadable = []
        for name in tables(lake):
            try:
                lake.table(name)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
                unreadable.append((name, error))
        report.check(f"a build that is killed after {seen} nodes leaves all tables readable", seen == lines and not unreadable, unreadable)


def again(report, instance, lake):
    """The same data once more changes nothing, and taking only what is new made the same tables as making them anew does."""
    names = tables(lake)
    before = {name: digest(lake, name) for name in names}
    code, documents, _ = models(instance, "build", "--threads", 2)
    report.equal("a second build is well", (code, bad(documents)), (0, []))
    report.equal("and changes nothing", [name for name in names if digest(lake, name) != before[name]], [])
    rows = {d["name"]: d["rows"] for d in documents if d.get("resource_type") in ("model", "snapshot")}
    taken = {name: rows.get(name) for name in ("transactions", "decisions", "dim_customers", "dim_products")}
    report.equal("incremental models and snapshots take nothing", taken, dict.fromkeys(taken, 0))
    code, documents, _ = models(instance, "run", "--full-refresh")
    rows = {d["name"]: d["rows"] for d in documents if d.get("resource_type") == "model"}
    report.check("made anew, they take everything", code == 0 and rows.get("transactions", 0) == len(before["silver.transactions"]), (code, rows))
    report.equal("and are the same", [name for name in names if digest(lake, name) != before[name]], [])


# What breaks a table, and the tests that must see it: a model's last line, and names of tests.
MUTATIONS = [
    ("unique", "silver/merchants.sql", "where place = 1", "where place = 1 union all select * from (select merchant_id, name, lower(category), country, lower(risk_level), mcc, typical_amount, onboarded_at, updated_at from ranked limit 1) as twice", "unique_merchants_merchant_id"),
    ("not_null", "silver/merchants.sql", "  {{ trimmed('name') }} as name", "  cast(null as text) as name", "not_null_merchants_name"),
    ("accepted_values", "silver/merchants.sql", "lower(trim(risk_level)) as risk_level", "'none' as risk_level", "accepted_values_merchants_risk_level__low__medium__high"),
    ("expression", "silver/products.sql", "price - cost as margin", "price as margin", "silver_products_margin"),
    ("range", "silver/products.sql", "  price,", "  -1 as price,", "dbt_utils_accepted_range_products_price__0"),
    ("text", "silver/products.sql", "{{ trimmed('name') }} as name", "' ' as name", "dbt_utils_not_empty_string_products_name"),
    ("combination", "silver/payments.sql", "where place = 1", "where place = 1 union all select payment_id, order_id, customer_id, amount, lower(method), status, transaction_id, event_time from ranked", "dbt_utils_unique_combination_o"),
    ("unit test", "silver/labels.sql", "{{ latest_of('transaction_id', 'known_at') }}", "row_number() over (partition by transaction_id order by known_at)", "the_later_label_stands"),
    ("relationships", "silver/profiles.sql", "  customer_id,\n  age_band", "  'nobody' || customer_id as customer_id,\n  age_band", "relationships_profiles_customer_id__customer_id__ref_customers_"),
    ("singular", "gold/fct_orders.sql", "coalesce(refunds.refunded, 0)", "coalesce(refunds.refunded, 1000000)", "refunds_after_payment"),
]


def mutations(report, instance, folder):
    """Each kind of test sees the rows that break it."""
    for kind, file, text, broken, test in MUTATIONS:
        project = folder / "mutated"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(ECOMMERCE, project)
        path = project / "models" / file
        source = path.read_text()
        assert text in source, (file, text)
        path.write_text(source.replace(text, broken, 1))
        name = Path(file).stem
        _, documents, done = models(instance, "build", "--select", name, project=project)
        said = {d["name"]: d["status"] for d in documents if "name" in d}
        found = next((status for n, status in said.items() if n.startswith(test)), None)
        report.check(f"a broken table is found out by its test: {kind}", found in ("fail", "warn"), (found, done.stderr[-300:], said))
    # What reads a table that failed its test is skipped, and the command says so.
    code, documents, _ = models(instance, "build", "--select", "fct_orders+", project=folder / "mutated")
    said = {d["name"]: d["status"] for d in documents if "name" in d}
    report.equal("what reads a failed table is skipped", (code, said.get("refunds_after_payment"), said.get("daily_sales")), (1, "fail", "skipped"))
    code, documents, _ = models(instance, "build")
    report.equal("and all is well again with the shipped models", (code, bad(documents)), (0, []))


def commands(report, instance, folder):
    """The other verbs, and what they leave."""
    code, documents, _ = models(instance, "ls", "--select", "+fraud_daily", "--resource-type", "model")
    names = {d["name"] for d in documents}
    report.equal("ls chooses what a table needs", (code, names), (0, {"alerts", "decisions", "fct_decisions", "fct_transactions", "fraud_daily", "labels", "merchants", "transactions"}))
    code, documents, done = models(instance, "docs", lines=False)
    target = instance.folder / "target"
    manifest, results, catalog = (json.loads((target / f"{name}.json").read_text()) for name in ("manifest", "run_results", "catalog"))
    report.equal("the manifest is dbt's", manifest["metadata"]["dbt_schema_version"], "https://schemas.getdbt.com/dbt/manifest/v12.json")
    fraud = manifest["nodes"]["model.ecommerce.fraud_daily"]
    report.equal("with what depends on what", fraud["depends_on"]["nodes"], ["model.ecommerce.fct_decisions"])
    report.check("run results name each node", {"model.ecommerce.fraud_daily"} <= {r["unique_id"] for r in results["results"]}, list(results)[:3])
    kind = catalog["nodes"]["model.ecommerce.fraud_daily"]["columns"]["money_saved"]["type"]
    report.equal("the catalog has the columns' types", kind, "numeric(18,2)")
    code, documents, _ = models(instance, "compile", "--select", "fraud_daily", lines=False)
    compiled = (target / "compiled" / "ecommerce" / "models" / "gold" / "fraud_daily.sql").read_text()
    report.check("compiled SQL is SQL", code == 0 and "{{" not in compiled and '"gold"."fct_decisions"' in compiled, compiled[:200])
    code, documents, done = models(instance, "freshness", lines=False)
    fresh = {r["unique_id"].split(".")[-1]: r["status"] for r in json.loads(done.stdout)["results"]}
    report.equal("what just landed is fresh", (code, fresh), (0, {"transactions": "pass", "decisions": "pass"}))
    (folder / "wrong").mkdir()
    shutil.copytree(ECOMMERCE, folder / "wrong", dirs_exist_ok=True)
    model = folder / "wrong" / "models" / "gold" / "fraud_daily.sql"
    model.write_text(model.read_text().replace("ref('fct_decisions')", "ref('fct_decision')"))
    code, documents, done = models(instance, "build", project=folder / "wrong")
    mistakes = documents[0]["mistakes"] if documents else []
    report.check(
        "a wrong name is told with its place and the right one",
        code == 1 and [(m["place"]["file"], m["hint"]) for m in mistakes] == [("models/gold/fraud_daily.sql", "did you mean `fct_decisions`?")],
        mistakes,
    )
    model.write_text("-- A model.\n{{ config(post_hook='vacuum') }}\nselect 1 as one\n")
    code, documents, done = models(instance, "build", project=folder / "wrong")
    mistakes = documents[0]["mistakes"] if documents else []
    found = [(m["place"]["file"], m["place"]["line"]) for m in mistakes if "`post_hook` is not supported" in m["message"]]
    report.check("what is not supported is named with file and line", code == 1 and found == [("models/gold/fraud_daily.sql", 2)], mistakes)
    checked = instance.run("check", "--project", folder / "wrong", "--output", "json")
    said = json.loads(checked.stdout)
    report.check("`sluice check` tells it too", checked.returncode == 1 and said["mistakes"] == mistakes, said)


# A small project with every way in which a model can stand; what it holds after its seed changed.
EVERY_KIND = {
    "dbt_project.yml": "name: kinds\nmodels: {kinds: {+schema: kinds}}\nseeds: {kinds: {+schema: kinds}}\nsnapshots: {kinds: {+schema: kinds}}\n",
    "macros/generate_schema_name.sql": "{% macro generate_schema_name(name, node) -%}{{ name }}{%- endmacro %}",
    "models/view_of_seed.sql": "select * from {{ ref('things') }} where pieces is not null",
    "models/view_of_view.sql": "select count(*) as things, sum(pieces) as pieces from {{ ref('view_of_seed') }}",
    "models/nowhere.sql": "{{ config(materialized='ephemeral') }} select id, name from {{ ref('things') }}",
    "models/merged.sql": "{{ config(materialized='incremental', unique_key='id') }} select id, name from {{ ref('nowhere') }}",
    "models/replaced.sql": "{{ config(materialized='incremental', unique_key='id', incremental_strategy='delete+insert') }}"
    " select id, name, 1 as part from {{ ref('nowhere') }} union all select id, name, 2 from {{ ref('nowhere') }}",
    "models/grown.sql": "{{ config(materialized='incremental', on_schema_change='append_new_columns') }}"
    " select id {% if is_incremental() %}, name {% endif %} from {{ ref('nowhere') }}",
    "snapshots/history.sql": "{% snapshot history %}{{ config(unique_key='id', strategy='check', check_cols='all', hard_deletes='new_record') }}"
    " select * from {{ ref('things') }}{% endsnapshot %}",
    "models/merged.yml": "models: [{name: merged, columns: [{name: name, data_tests: [{accepted_values: {arguments: {values: [ant, bee, wasp]},"
    " config: {severity: warn, store_failures: true}}}]}]}]\n",
}
SEEDS = ("id,name,pieces\n1,ant,5\n2,bee,6\n3,cat,\n", "id,name,pieces\n1,ant,5\n2,wasp,6\n4,bee,1\n")
KINDS = {
    "view_of_view": ("things, pieces", [(3, 12)]),
    "merged": ("id, name", [(1, "ant"), (2, "wasp"), (3, "cat"), (4, "bee")]),
    "replaced": ("id, name, part", [(n, name, part) for n, name in ((1, "ant"), (2, "wasp"), (3, "cat"), (4, "bee")) for part in (1, 2)]),
    "grown": ("id, coalesce(name, '-') as name", [(1, "-"), (1, "ant"), (2, "-"), (2, "wasp"), (3, "-"), (4, "bee")]),
    "history": (
        "id, name, dbt_valid_to is null as holds, dbt_is_deleted as deleted",
        [(1, "ant", True, "False"), (2, "bee", False, "False"), (2, "wasp", True, "False"), (3, "cat", False, "False"), (3, "cat", True, "True"),
         (4, "bee", True, "False")],
    ),
}


def kinds(report, instance, folder):
    """Views, ephemeral and all incremental models, snapshots with deletions and stored failures on the lake, built twice."""
    for file, text in EVERY_KIND.items():
        (folder / "kinds" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "kinds" / file).write_text(text)
    (folder / "kinds" / "seeds").mkdir()
    for seed in SEEDS:
        (folder / "kinds" / "seeds" / "things.csv").write_text(seed)
        code, documents, done = models(instance, "build", project=folder / "kinds")
        report.equal("a project with every kind of model is built", (code, bad(documents)), (0, []))
    for name, (columns, expected) in KINDS.items():
        found = instance.run("sql", f"select {columns} from kinds.{name}", "--lake", folder / "lake", "--output", "json")
        rows = [tuple(json.loads(line).values()) for line in found.stdout.splitlines()]
        report.equal(f"kinds.{name}", sorted(rows, key=str), sorted(expected, key=str))
    report.equal("a test that warned kept its rows", Lake(instance).table("dbt_test__audit.accepted_values_merged_name__ant__bee__wasp").num_rows, 1)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--count", default=4000, type=int, help="payments to simulate")
    options = parser.parse_args()
    report = Report("models")
    with Workspace("models", options.keep) as folder, Instance(options.sluice, folder, options=["--lake", folder / "lake"]) as instance:
        world = folder / "world"
        instance.start()
        totals = simulate(report, instance, world, options.count)
        lake = Lake(instance)
        wanted = {}
        with report.part("first build"):
            land(report, instance, world, wanted, lambda day: day < MIDDLE, "the first half")
            code, documents, _ = models(instance, "build", "--threads", 2)
            report.equal("everything builds and every test passes, beside the running instance", (code, bad(documents)), (0, []))
        with report.part("kills"):
            land(report, instance, world, wanted, lambda day: day >= MIDDLE, "the second half")
            killed(report, instance, lake)
        with report.part("second build"):
            code, documents, done = models(instance, "build", "--threads", 2)
            report.equal("everything builds and every test passes", (code, bad(documents)), (0, []))
            counts = documents[-1].get("counts", {}) if documents else {}
            report.check("over 300 tests", counts.get("pass", 0) >= 300, (counts, done.stderr[-1000:]))
            report.equal("nothing warns", [d["name"] for d in documents if d.get("status") == "warn"], [])
        with report.part("compare"):
            database = shop(world, instance)
            compare(report, database, lake, totals)
            versions(report, database, lake)
        with report.part("again"):
            again(report, instance, lake)
        with report.part("commands"):
            commands(report, instance, folder)
        with report.part("kinds"):
            kinds(report, instance, folder)
        with report.part("mutations"):
            mutations(report, instance, folder)
        report.equal("the instance stops", instance.stop()[0], 0)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
