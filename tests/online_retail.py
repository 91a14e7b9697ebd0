#!/usr/bin/env python3
"""The second project on its real data: all 541,909 order lines are imported, judged and stored, and every count that its README tells comes
out. Missing customers, ties, negative quantities and rows that repeat each other are all in there.
"""

import json
import sqlite3
import sys

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


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("online_retail")
    with report.part("online retail"), Workspace("online-retail", options.keep) as folder, Instance(options.sluice, folder, project=ONLINE_RETAIL) as instance:
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
        report.equal("it stops", instance.stop()[0], 0)
        replayed = instance.run("replay", "--data", instance.data, "--output", "json")
        again = json.loads(replayed.stdout.strip().splitlines()[-1]) if replayed.returncode == 0 else replayed.stderr[-1000:]
        report.check("replay makes every decision again, byte for byte", again["decisions"] == LINES and again["differences"] == 0, again)
        print(f"        {said['seconds']:.1f} s to send, {again['seconds']:.1f} s to score again")
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
