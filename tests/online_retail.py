#!/usr/bin/env python3
"""The second project on its real data: all 541,909 order lines are imported, judged and stored, and every count that its README tells comes
out. Missing customers, ties, negative quantities and rows that repeat each other are all in there. Then its SQL models build silver and gold of
what landed in the lake, and DuckDB makes the same tables of the same file.
"""

import json
import sqlite3
import sys

import duckdb

from harness import lakehouse
from harness.instance import ONLINE_RETAIL, Instance, Workspace, arguments, until
from harness.report import Report

LINES = 541_909
DECISIONS = {"allow": 541_169, "review": 616, "block": 124}
ALERTS = {
    "return_abuse": 204,
    "price_outlier": 192,
    "bulk_spike": 157,
    "cancellation_without_purchase": 122,
    "large_manual_entry": 54,
    "country_change": 16,
    "quick_cancellation": 11,
    "large_line": 9,
    "free_goods": 6,
    "negative_price": 2,
}
REVENUE = "9747747.934"
MONEY = "decimal(18,3)"
FILE = ONLINE_RETAIL / "data" / "online_retail.parquet"
# The file's rows, in the words of the project.
LINES_SQL = f"""
    select InvoiceNo as invoice, StockCode as stock_code, Quantity as quantity, (Quantity * UnitPrice::{MONEY})::{MONEY} as amount, InvoiceDate as booked_at,
        date_trunc('month', InvoiceDate)::date as month, CustomerID::bigint::varchar as customer_id, code as country,
        case when InvoiceNo like 'C%' then 'return' when InvoiceNo like 'A%' or Quantity <= 0 or UnitPrice <= 0 then 'adjustment' else 'sale' end as kind
    from '{FILE}' join read_csv('{ONLINE_RETAIL / "seeds" / "countries.csv"}') as countries on countries.name = Country"""
EXPECTED = {
    "invoices": f"""select invoice, count(*) as lines, count(distinct stock_code) as things, sum(quantity)::bigint as pieces, sum(amount)::{MONEY} as amount
        from lines group by 1""",
    "revenue_by_month_and_country": f"""
        select month as invoice_month, country, count(distinct invoice) filter (kind = 'sale') as orders,
            count(distinct customer_id) filter (kind = 'sale') as customers, coalesce(sum(amount) filter (kind = 'sale'), 0)::{MONEY} as sold,
            coalesce(-sum(amount) filter (kind = 'return'), 0)::{MONEY} as returned, sum(amount)::{MONEY} as revenue
        from lines group by 1, 2""",
    "returns_by_product": f"""
        select stock_code, coalesce(sum(quantity) filter (kind = 'sale'), 0)::bigint as pieces_sold,
            coalesce(-sum(quantity) filter (kind = 'return'), 0)::bigint as pieces_returned, coalesce(-sum(amount) filter (kind = 'return'), 0)::{MONEY} as returned
        from lines where stock_code not in ('POST', 'DOT', 'C2', 'D', 'M', 'm', 'S', 'B', 'CRUK', 'AMAZONFEE', 'BANK CHARGES') group by 1""",
    "retention_cohorts": f"""
        with bought as (select customer_id, month, sum(amount) as amount from lines where kind = 'sale' and customer_id is not null group by 1, 2),
        since as (select *, min(month) over (partition by customer_id) as cohort from bought)
        select cohort, date_diff('month', cohort, month)::integer as months_later, count(*) as active, sum(amount)::{MONEY} as amount from since group by 1, 2""",
    "customer_rfm": f"""
        with who as (select customer_id, max(booked_at::date) filter (kind = 'sale') as last_order_day, count(distinct invoice) filter (kind = 'sale') as orders,
            sum(amount)::{MONEY} as amount from lines where customer_id is not null and kind <> 'adjustment' group by 1)
        select *, ntile(5) over (order by last_order_day, customer_id)::integer as recency, ntile(5) over (order by orders, customer_id)::integer as frequency,
            ntile(5) over (order by amount, customer_id)::integer as monetary
        from who where orders > 0""",
}


def models(report, instance, lake):
    """Silver and gold of all lines, each table as DuckDB makes it of the file."""
    built = instance.run("models", "build", "--project", ONLINE_RETAIL, "--lake", lake, "--target", lake.parent / "target", "--output", "json")
    results = [json.loads(line) for line in built.stdout.splitlines()]
    bad = [(r["name"], r["status"], r["message"]) for r in results if r.get("status") in ("error", "fail", "skipped")]
    if not report.equal("its SQL models are built, and every test passes", (built.returncode, bad), (0, [])):
        return
    warned = [r["name"] for r in results if r.get("status") == "warn"]
    report.equal("one warns: what was sold before the books began comes back", warned, ["more_came_back_than_was_sold"])
    database = duckdb.connect()
    database.execute(f"create table lines as {LINES_SQL}")
    for name, sql in EXPECTED.items():
        lakehouse.compare(report, database, lake, f"gold.{name}", sql)
    database.register("months", lakehouse.table(lake, "gold.revenue_by_month_and_country"))
    report.equal("revenue, to the tenth of a penny", str(database.execute("select sum(revenue) from months").fetchall()[0][0]), REVENUE)
    print(f"        {results[-1]['seconds']:.1f} s to build")


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("online_retail")
    with report.part("online retail"), Workspace("online-retail", options.keep) as folder, Instance(
        options.sluice, folder, project=ONLINE_RETAIL, options=["--lake", folder / "lake"]
    ) as instance:
        instance.start()
        imported = instance.run(
            "import", "online_retail", "--project", ONLINE_RETAIL, "--kafka", instance.kafka, "--cursor", folder / "cursor.json", "--output", "json"
        )
        if not report.check("the import goes through", imported.returncode == 0, imported.stderr[-2000:]):
            report.finish()
        said = json.loads(imported.stdout.strip().splitlines()[-1])
        report.equal("all lines are sent, none is bad", (said["sent"], said["bad"]), (LINES, 0))
        store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
        ask = lambda query: store.execute(query).fetchall()  # noqa: E731
        until("all lines in the store", lambda: ask("SELECT count(*) FROM predictions")[0][0] >= LINES, 180)
        report.equal("decisions", dict(ask("SELECT decision, count(*) FROM predictions GROUP BY 1")), DECISIONS)
        report.equal("alerts by rule", dict(ask("SELECT alert_type, count(*) FROM alerts GROUP BY 1")), ALERTS)
        report.equal("dead letters", ask("SELECT count(*) FROM dead_letters")[0][0], 0)
        report.equal(
            "lines without a customer are judged too",
            ask("SELECT count(*) FROM transactions WHERE account_id IS NULL")[0][0],
            135_080,
        )
        store.close()
        lake = folder / "lake"
        until("all lines in the lake", lambda: lakehouse.rows(lake, "bronze.order_lines") >= LINES, 240)
        report.equal("it stops", instance.stop()[0], 0)
        replayed = instance.run("replay", "--data", instance.data, "--output", "json")
        again = json.loads(replayed.stdout.strip().splitlines()[-1]) if replayed.returncode == 0 else replayed.stderr[-1000:]
        report.check("replay makes every decision again, byte for byte", again["decisions"] == LINES and again["differences"] == 0, again)
        print(f"        {said['seconds']:.1f} s to send, {again['seconds']:.1f} s to score again")
        models(report, instance, lake)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
