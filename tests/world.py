#!/usr/bin/env python3
"""The simulated world, seen from outside: what the simulator says of itself is what its files add up to, to the cent; orders,
payments, transactions and balances fit together; and fraud is there in every kind, at the rate asked for, labelled late, and not to
be told from honest payments by any one field or feature. DuckDB does the sums, so that nothing of ours checks itself.
"""

import json
import subprocess
import sys
from decimal import Decimal

import duckdb

from harness.instance import ECOMMERCE, Instance, Workspace, arguments
from harness.report import Report

START = "2026-01-05T00:00:00Z"
FRAUD_RATE = 0.01
SCENARIOS = {
    "card_testing", "account_takeover", "stolen_card_spree", "merchant_compromise", "synthetic_identity_ring", "refund_abuse",
    "impossible_travel", "friendly_fraud",
}
# The best that one field, and one feature, may do.
FIELD_LIMIT = 0.85
FEATURE_LIMIT = 0.95
# Blocks of time that categories are learned on, each judged by what the others teach.
BLOCKS = 5

MONEY = "decimal(18,2)"
COLUMNS = {
    "transactions": {
        "transaction_id": "varchar", "account_id": "varchar", "customer_id": "varchar", "merchant_id": "varchar",
        "transaction_type": "varchar", "channel": "varchar", "amount": MONEY, "currency": "varchar", "amount_base": MONEY,
        "event_time": "timestamp", "country": "varchar", "city": "varchar", "latitude": "double", "longitude": "double", "ip": "varchar",
        "device_id": "varchar", "payment_method": "varchar", "session_id": "varchar", "order_id": "varchar",
        "shipping_country": "varchar", "shipping_city": "varchar", "billing_country": "varchar", "card_id": "varchar",
        "entry_mode": "varchar", "original_transaction_id": "varchar",
    },
    "orders": {"order_id": "varchar", "customer_id": "varchar", "status": "varchar", "total_amount": MONEY, "items": "bigint",
               "updated_at": "timestamp"},
    "order_items": {"order_item_id": "varchar", "order_id": "varchar", "product_id": "varchar", "quantity": "bigint", "unit_price": MONEY,
                    "discount": MONEY},
    "payments": {"payment_id": "varchar", "order_id": "varchar", "amount": MONEY, "status": "varchar", "transaction_id": "varchar"},
    "account_balances": {"account_id": "varchar", "balance": MONEY, "currency": "varchar", "credit_limit": MONEY, "updated_at": "timestamp"},
    "labels": {"transaction_id": "varchar", "label": "varchar", "scenario": "varchar", "known_at": "timestamp"},
    "customers": {"customer_id": "varchar"},
    "user_profiles": {"customer_id": "varchar"},
    "products": {"product_id": "varchar", "price": MONEY},
    "merchant_info": {"merchant_id": "varchar"},
    "clickstream": {"event_id": "varchar", "session_id": "varchar", "product_id": "varchar"},
    "reviews": {"review_id": "varchar", "order_id": "varchar", "rating": "bigint"},
}
NUMBERS = [
    ("amount", "amount"), ("amount_base", "amount_base"), ("latitude", "latitude"), ("longitude", "longitude"),
    ("event_time", "epoch_us(event_time)"), ("hour of the day", "extract(hour from event_time)"),
    ("day of the week", "extract(dow from event_time)"), ("minute of the hour", "extract(minute from event_time)"),
]


def load(database, world):
    """Every file as a table."""
    for stream, columns in COLUMNS.items():
        declared = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        database.execute(
            f"create table {stream} as select * from read_json('{world}/{stream}.jsonl', columns = {{{declared}}}, format = 'newline_delimited')"
        )


def one(database, sql):
    return database.execute(sql).fetchone()[0]


def sums(database, sql):
    """Of (word, count, amount): as the totals spell them."""
    return {word: {"count": count, "amount": str(amount)} for word, count, amount in database.execute(sql).fetchall()}


def totals(report, database, said):
    """The world's own books against its files."""
    def by(word, amount, table, where="true"):
        return sums(database, f"select {word}, count(*), sum({amount})::{MONEY} from {table} where {where} group by 1")

    line = "quantity * unit_price - discount"
    report.equal("transactions by type", by("transaction_type", "amount_base", "transactions"), said["transactions"]["by_type"])
    report.equal("transactions by currency", by("currency", "amount", "transactions"), said["transactions"]["by_currency"])
    report.equal("orders by status", by("status", "total_amount", "orders"), said["orders"]["by_status"])
    report.equal("payments by status", by("status", "amount", "payments"), said["payments"])
    report.equal("fraud by scenario", by("scenario", "amount_base", "labels join transactions using (transaction_id)", "label = 'fraud'"),
                 said["fraud"]["by_scenario"])
    report.equal("order lines", by("'lines'", line, "order_items")["lines"], said["order_items"]["lines"])
    report.equal("orders placed", by("'placed'", "total_amount", "orders", "status = 'pending'")["placed"], said["orders"]["placed"])
    report.equal("pieces", one(database, "select sum(quantity) from order_items"), said["order_items"]["pieces"])
    report.equal("discounts", str(one(database, f"select sum(discount)::{MONEY} from order_items")), said["order_items"]["discounts"])
    report.equal("customers", one(database, "select count(distinct customer_id) from customers"), said["customers"])
    report.equal("stars", one(database, "select coalesce(sum(rating), 0) from reviews"), said["reviews"]["stars"])
    paid = one(database, f"select sum(total_amount)::{MONEY} from orders where status = 'paid'")
    refunded = one(database, f"select coalesce(sum(amount), 0)::{MONEY} from payments where status = 'refunded'")
    revenue = {"paid": str(paid), "refunded": str(refunded), "net": str(Decimal(paid) - Decimal(refunded))}
    report.equal("revenue", revenue, said["revenue"])
    report.equal("records", {s: one(database, f"select count(*) from {s}") for s in COLUMNS}, said["records"])


def integrity(report, database):
    """What refers to something finds it, and money that is in two places is the same in both."""
    def none(what, sql):
        rows = database.execute(sql).fetchmany(3)
        report.check(what, not rows, rows)

    line = "quantity * unit_price - discount"
    none("the lines of an order add up to its total", f"""
        select order_id, total_amount, s from (select distinct order_id, total_amount, items from orders)
        full join (select order_id, sum({line}) s, count(*) n from order_items group by 1) using (order_id)
        where total_amount is distinct from s or items is distinct from n""")
    for table, field, of in (
        ("transactions", "customer_id", "customers"), ("transactions", "customer_id", "user_profiles"),
        ("transactions", "merchant_id", "merchant_info"), ("transactions", "account_id", "account_balances"),
        ("transactions", "order_id", "orders"), ("payments", "order_id", "orders"), ("payments", "transaction_id", "transactions"),
        ("orders", "customer_id", "customers"), ("order_items", "product_id", "products"), ("clickstream", "product_id", "products"),
        ("transactions", "session_id", "clickstream"), ("reviews", "order_id", "orders"), ("labels", "transaction_id", "transactions"),
    ):
        none(f"every {field} of {table} is in {of}", f"select {field} from {table} anti join {of} using ({field}) where {field} is not null")
    none("what is paid for an order is what moves", """
        select p.* from payments p join transactions t using (transaction_id)
        where p.amount <> t.amount_base or p.order_id is distinct from t.order_id""")
    none("what is authorised is what the order costs", """
        select p.* from payments p join (select distinct order_id, total_amount from orders) o using (order_id)
        where p.status <> 'refunded' and p.amount <> o.total_amount""")
    none("a declined payment moves nothing, all others do", """
        select * from payments where (status = 'declined') <> (transaction_id is null)""")
    none("every movement for an order is in its payments", """
        select transaction_id from transactions anti join payments using (transaction_id) where order_id is not null""")
    none("a refund gives back no more than was paid", """
        select r.transaction_id from transactions r join transactions t on r.original_transaction_id = t.transaction_id
        group by all having sum(r.amount_base) > any_value(t.amount_base)""")
    database.execute(f"create table rates as select * from read_csv('{ECOMMERCE}/rates/exchange_rates.csv', comment = '#', types = {{'rate': 'decimal(18,9)'}})")
    none("amount_base is by the project's rates", f"""
        select transaction_id, amount, rate, amount_base from transactions join rates using (currency)
        where amount_base <> round(amount * rate, 2)::{MONEY}""")
    report.equal("every currency has a rate", one(database, "select count(*) from transactions anti join rates using (currency)"), 0)
    # A row's balance is the one before it, and what has moved since, in the account's currency.
    none("balances follow from what moves", f"""
        with own as (select account_id, any_value(currency) own from account_balances group by 1),
        moved as (
            select account_id, event_time moment, 0 is_row, (case when transaction_type in ('refund', 'deposit') then 1 else -1 end) *
                (case when transactions.currency = own then amount else
                    (((amount_base * 100)::bigint * 20000 + (rate * 10000)::bigint) // (2 * (rate * 10000)::bigint))::{MONEY} / 100 end) change,
                null::{MONEY} balance
            from transactions join own using (account_id) join rates on rates.currency = own.own),
        booked as (from moved union all select account_id, updated_at, 1, 0, balance from account_balances),
        summed as (select *, round(sum(change) over (partition by account_id order by moment, is_row rows unbounded preceding), 2)::{MONEY} total
            from booked)
        select * from (select account_id, moment, balance - total base, min(balance - total) over (partition by account_id) least
            from summed where is_row = 1) where base <> least""")
    none("no account is overdrawn beyond its limit", "select * from account_balances where balance < -credit_limit")


def auc(counts):
    """Area under the curve, from (value, records, frauds) with the values in order; 0.5 or more, whichever way round."""
    frauds = sum(p for _, _, p in counts)
    genuine = sum(n - p for _, n, p in counts)
    if not frauds or not genuine:
        return 0.5
    below, area = 0, 0.0
    for _, n, p in counts:
        area += p * (below + (n - p) / 2)
        below += n - p
    area /= frauds * genuine
    return max(area, 1 - area)


def number_auc(database, table, field):
    """Of a number; what has none stands below all others, or above them."""
    counts = database.execute(f"select ({field})::double x, count(*), sum(fraud)::bigint from {table} group by 1 order by 1 nulls first").fetchall()
    return max(auc(counts), auc(counts[1:] + counts[:1]) if counts[0][0] is None else 0)


def category_auc(database, table, field):
    """Of a word: replaced by the share of fraud that it had in the other blocks of time."""
    counts = database.execute(f"""
        with cells as (select coalesce(({field})::varchar, '') x, block, count(*) n, sum(fraud)::bigint p from {table} group by all),
        words as (select x, sum(n) n, sum(p) p from cells group by 1),
        mean as (select sum(p) / sum(n) m from cells)
        select (words.p - cells.p + 20 * m) / (words.n - cells.n + 20) score, sum(cells.n)::bigint, sum(cells.p)::bigint
        from cells join words using (x), mean group by 1 order by 1""").fetchall()
    return auc(counts)


def separable(report, database, what, limit, table, numbers, words):
    """No field alone tells fraud from the rest."""
    found = [(number_auc(database, table, sql), name, "number") for name, sql in numbers]
    found += [(category_auc(database, table, f'"{name}"'), name, "category") for name in words]
    found.sort(reverse=True)
    report.check(f"{len(found)} {what}s: the best AUC is at most {limit}", found and found[0][0] <= limit, found[:5])
    report.table([f"best {what}s", "as", "AUC"], [(field, kind, f"{area:.3f}") for area, field, kind in found[:6]])


def fraud(report, database, said, payments):
    """How much of it, of which kinds, and when it is known."""
    rate = said["fraud"]["count"] / said["transactions"]["count"]
    report.check("the fraud rate is within 5 % of what was asked", abs(rate / FRAUD_RATE - 1) <= 0.05, rate)
    report.equal("every scenario happens", set(said["fraud"]["by_scenario"]), SCENARIOS)
    report.equal("all payments were made", said["transactions"]["count"] - payments in (0, 1), True)
    rows = database.execute("""
        select coalesce(scenario, 'genuine') s, count(*), round(quantile_cont(epoch(known_at - event_time) / 86400, 0.5), 1) median,
            min(epoch(known_at - event_time)) / 86400 least, round(median(amount_base), 2)
        from labels join transactions using (transaction_id) group by 1 order by 1""").fetchall()
    report.check("no label is known within half a day", all(least >= 0.5 for *_, least, _ in rows), rows)
    report.check("fraud is known after days", all(median >= 1 for name, _, median, *_ in rows), rows)
    report.table(["scenario", "payments", "median days to the label", "median amount"], [(n, c, d, a) for n, c, d, _, a in rows])


def features(report, instance, database, world, folder):
    """What the project computes from the files: no feature tells fraud from the rest either."""
    events = [word for stream in COLUMNS for word in ("--events", f"{stream}={world}/{stream}.jsonl")]
    command = [str(instance.binary), "score", "--project", str(ECOMMERCE), *events, "--features"]
    judged = folder / "judged.jsonl"
    with judged.open("w") as out, (folder / "score.log").open("w") as log:
        done = subprocess.run(command, stdout=out, stderr=log, env=instance.environment, stdin=subprocess.DEVNULL, timeout=3600, check=False)
    if not report.check("score judges the world", done.returncode == 0, (folder / "score.log").read_text()[-2000:]):
        return
    database.execute(f"""
        create table decisions as select transaction_id, decision, features from read_json('{judged}', columns =
        {{transaction_id: 'varchar', decision: 'varchar', features: 'json'}}, format = 'newline_delimited', maximum_object_size = 16777216)""")
    names = [name for (name,) in database.execute("select distinct unnest(json_keys(features)) from (from decisions limit 5000) order by 1").fetchall()]
    report.equal("each payment is judged", one(database, "select count(*) from decisions"), one(database, "select count(*) from transactions"))
    structure = json.dumps({name: "VARCHAR" for name in names}).replace("'", "''")
    columns = ", ".join(f'f."{name}"' for name in names)
    database.execute(f"""
        create table judged as select fraud, block, decision, {columns}
        from (select transaction_id, decision, from_json(features, '{structure}') f from decisions) join raw using (transaction_id)""")
    kinds = {}
    for name in names:
        filled, numeric = database.execute(f'select count("{name}"), count(try_cast("{name}" as double)) from judged').fetchone()
        kinds[name] = numeric == filled
    numbers = [(n, f'try_cast("{n}" as double)') for n in names if kinds[n]]
    words = [n for n in names if not kinds[n]]
    separable(report, database, "feature", FEATURE_LIMIT, "judged", numbers, words)
    rows = database.execute("""
        select coalesce(scenario, 'genuine'), count(*), round(avg((decision <> 'allow')::int), 4) from decisions
        join transactions using (transaction_id) left join (from labels where label = 'fraud') using (transaction_id) group by 1 order by 1""").fetchall()
    report.table(["what it was", "payments", "share reviewed or blocked"], rows)
    report.check("some fraud is caught, and most honest payments pass", any(s > 0.3 for n, _, s in rows if n != "genuine")
                 and all(s < 0.1 for n, _, s in rows if n == "genuine"), rows)


def make(report, instance, world, payments, days):
    books = world.parent / f"{world.name}.json"
    made = instance.run("simulate", "--count", payments, "--over", f"{days}d", "--fraud-rate", FRAUD_RATE, "--seed", 11, "--start", START,
                        "--to", world, "--totals", books, "--output", "json", seconds=3600)
    if not report.check(f"simulate {payments} payments", made.returncode == 0, made.stderr):
        return None
    said = json.loads(books.read_text())
    report.equal("the summary says the same as the books", json.loads(made.stdout)["totals"], said)
    return said


def opened(world, folder):
    """A database with the files of a world, and `raw`: the transactions with the truth about them."""
    database = duckdb.connect(str(folder / f"{world.name}.duckdb"))
    load(database, world)
    database.execute(f"""
        create table raw as select t.*, (l.label is not null)::int fraud, ntile({BLOCKS}) over (order by event_time) block
        from transactions t left join (from labels where label = 'fraud') l using (transaction_id)""")
    return database


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--payments", type=int, default=60_000, help="how large a world")
    parser.add_argument("--days", type=int, default=40, help="how long a history")
    parser.add_argument("--feature-payments", type=int, help="features over a smaller world than that")
    options = parser.parse_args()
    report = Report("world")
    with Workspace("world", options.keep) as folder:
        instance = Instance(options.sluice, folder)
        world = folder / "world"
        said = make(report, instance, world, options.payments, options.days)
        if said:
            database = opened(world, folder)
            with report.part("totals"):
                totals(report, database, said)
            with report.part("integrity"):
                integrity(report, database)
            with report.part("fraud"):
                fraud(report, database, said, options.payments)
            with report.part("fields"):
                fields = [name for name in COLUMNS["transactions"] if name not in ("transaction_id", "event_time")]
                separable(report, database, "raw field", FIELD_LIMIT, "raw", NUMBERS, fields)
            with report.part("features"):
                if options.feature_payments:
                    world = folder / "smaller"
                    make(report, instance, world, options.feature_payments, options.days)
                    database = opened(world, folder)
                features(report, instance, database, world, folder)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
