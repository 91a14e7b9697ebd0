#!/usr/bin/env python3
"""Every project of the repository: `sluice check` finds nothing wrong, `sluice test` passes all its cases, `sluice show` prints
valid JSON and SQL, and a broken copy of it is refused with the place and the nearest name. `sluice init` writes the shipped one. A
simulated history, the decisions over it, and what `sluice backtest` makes of them have the same bytes each time. The pages of docs/ that
are made from the shipped project tell of it as it is.
"""

import json
import shutil
import sys

from harness import documents
from harness.instance import ECOMMERCE, ONLINE_RETAIL, Instance, Workspace, arguments
from harness.report import Report


def show(report, instance, project, name):
    """`show` of each noun, for people and for machines."""
    for noun in ("streams", "features", "rules", "lists"):
        plain = instance.run("show", noun, "--project", project)
        report.check(f"{name}: show {noun}", plain.returncode == 0 and plain.stdout.strip(), plain.stderr)
        machine = instance.run("show", noun, "--project", project, "--output", "json")
        if report.check(f"{name}: show {noun} as JSON", machine.returncode == 0, machine.stderr):
            report.check(f"{name}: show {noun} lists some", bool(json.loads(machine.stdout)))
    sql = instance.run("show", "features", "--sql", "--project", project)
    report.check(f"{name}: show features --sql", sql.returncode == 0 and "select" in sql.stdout.lower(), sql.stderr)


def broken(report, instance, folder):
    """Three mistakes in three files: all are reported at once, each with its place."""
    project = folder / "broken"
    shutil.copytree(ECOMMERCE, project)
    (project / "rules" / "misspelt.yml").write_text(
        "description: a rule with a typo\nwhen: amuont > 5 and channel = 'online'\naction: review\nseverity: low\nmessage: high\n"
    )
    (project / "features" / "unknown.sql").write_text("select account_id, sum(amounts) over w as x from transactions\n"
                                                      "window w as (partition by account_id order by event_time range interval '1 day' preceding)\n")
    transactions = project / "events" / "transactions.yml"
    transactions.write_text(transactions.read_text().replace("type: decimal(2)", "type: decimel(2)", 1))
    found = instance.run("check", "--project", project)
    said = found.stdout + found.stderr
    report.check("a broken project: check fails", found.returncode not in (0, 101), f"exit code {found.returncode}")
    for what in ("transactions.yml", "decimal"):
        report.check(f"a broken project: says {what}", what in said, said[-2000:])
    # The stream cannot be read above; the SQL that stands on it is judged once it can.
    shutil.copy(ECOMMERCE / "events" / "transactions.yml", transactions)
    found = instance.run("check", "--project", project)
    said = found.stdout + found.stderr
    report.check("a broken project: check still fails", found.returncode not in (0, 101), f"exit code {found.returncode}")
    for what in ("rules/misspelt.yml:2", "amount", "amuont", "features/unknown.sql:1", "amounts"):
        report.check(f"a broken project: says {what} too", what in said, said[-2000:])


def repeated(report, instance, folder):
    """A simulated history has the same bytes for the same seed, and so have its decisions."""
    worlds = []
    for n in (1, 2):
        world = folder / f"world-{n}"
        made = instance.run(
            "simulate", "--mode", "batch", "--count", 5000, "--fraud-rate", 0.05, "--seed", 7, "--start", "2026-01-01T00:00:00Z", "--to", world
        )
        if not report.check(f"simulate into a folder, time {n}", made.returncode == 0, made.stderr):
            return
        worlds.append({file.name: file.read_bytes() for file in sorted(world.iterdir())})
    report.check("the same seed and start give the same bytes", worlds[0] == worlds[1], [w.keys() for w in worlds])
    report.equal("as many payments as asked for", worlds[0]["transactions.jsonl"].count(b"\n"), 5000)
    events = [word for file in sorted((folder / "world-1").glob("*.jsonl")) for word in ("--events", f"{file.stem}={file}")]
    judged = [instance.run("score", "--project", ECOMMERCE, *events, "--features") for _ in range(2)]
    if not report.check("score judges the files", judged[0].returncode == 0, judged[0].stderr):
        return
    decisions = [json.loads(line) for line in judged[0].stdout.splitlines()]
    report.equal("each payment has a decision", len({d["transaction_id"] for d in decisions}), 5000)
    report.check("each with its features", all(d["features"] for d in decisions))
    report.check("some are allowed and some are not", {"allow", "block"} <= {d["decision"] for d in decisions}, {d["decision"] for d in decisions})
    report.check("the same files give the same bytes", judged[0].stdout == judged[1].stdout)


def backtest(report, instance, world):
    """What rules catch and cost on that history adds up, and each mistake of the caller is named."""
    words = ["backtest", "--project", ECOMMERCE, "--events", world, "--labels", world / "labels.jsonl"]
    runs = [instance.run(*words, "--output", "json") for _ in range(2)]
    if not report.check("backtest judges a folder", runs[0].returncode == 0, runs[0].stderr):
        return
    report.check("the same files give the same report", runs[0].stdout == runs[1].stdout)
    found = json.loads(runs[0].stdout)
    report.equal("it saw every payment", found["transactions"], 5000)
    report.equal("a row for each decision sums to that", sum(d["fraud"] + d["genuine"] for d in found["decisions"]), 5000)
    report.equal("fraud by scenario sums to all fraud", sum(s["transactions"] for s in found["scenarios"]), found["overall"]["fraud"])
    labels = {}
    for line in (world / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        labels[label["transaction_id"]] = label["label"]
    report.equal("as much fraud as labels say", found["overall"]["fraud"], sum(label == "fraud" for label in labels.values()))
    rules = {rule["name"] for rule in documents.shown(instance, "rules")}
    report.equal("a row for each rule", {rule["rule"] for rule in found["rules"]}, rules)
    report.check("rules catch some of it", found["overall"]["recall"] > 0.2, found["overall"])
    report.check("shares are shares", all(0 <= (r["precision"] or 0) <= 1 and 0 <= r["recall"] <= 1 for r in found["rules"]), found["rules"])
    text = instance.run(*words, "--output", "markdown")
    report.check("as Markdown it has a row for each rule", all(f"| {rule} |" in text.stdout for rule in rules), text.stdout[-2000:])
    wrong = world / "wrong.jsonl"
    wrong.write_text('{"transaction_id": "nobody", "label": "fraud"}\n')
    for name, changed, said in (
        ("labels of other transactions", {"--labels": wrong}, "none of the labels"),
        ("a folder without streams", {"--events": ECOMMERCE}, "holds no stream"),
        ("times after the end", {"--from": "2099-01-01T00:00:00Z"}, "no transaction"),
    ):
        options = {"--project": ECOMMERCE, "--events": world, "--labels": world / "labels.jsonl", **changed}
        refused = instance.run("backtest", *(word for option in options.items() for word in option))
        report.check(f"backtest refuses {name}", refused.returncode == 1 and said in refused.stderr, refused.stderr)


def shipped(report, instance):
    """The shipped project is as large as it says, and the pages made from it are of today."""
    features, rules = documents.shown(instance, "features"), documents.shown(instance, "rules")
    report.check("at least 100 features", len(features) >= 100, len(features))
    report.equal("each with a description", [f["name"] for f in features if not f["description"]], [])
    report.check("at least 25 rules", len(rules) >= 25, len(rules))
    report.equal("each says what to do next", [r["name"] for r in rules if not r.get("next")], [])
    report.check("docs/features.md is of this project (make docs)", documents.FEATURES.read_text() == documents.features_page(features))
    page = documents.RULES.read_text()
    report.check("docs/rules.md has the rules of this project (make docs)", documents.rules_catalogue(rules) in page)
    report.equal("docs/rules.md has figures of each", [r["name"] for r in rules if f"| {r['name']} |" not in page], [])


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("projects")
    with Workspace("projects", options.keep) as folder:
        instance = Instance(options.sluice, folder)
        written = folder / "mine"
        made = instance.run("init", written)
        report.check("init writes a project", made.returncode == 0, made.stderr)
        again = instance.run("init", written)
        report.check("init does not overwrite one", again.returncode not in (0, 101), f"exit code {again.returncode}")
        for name, project in (("ecommerce", ECOMMERCE), ("online-retail", ONLINE_RETAIL), ("init", written)):
            with report.part(name):
                for verb in ("check", "test"):
                    done = instance.run(verb, "--project", project)
                    report.check(f"{name}: {verb}", done.returncode == 0, (done.stdout + done.stderr)[-3000:])
                show(report, instance, project, name)
        with report.part("broken"):
            broken(report, instance, folder)
        with report.part("repeated"):
            repeated(report, instance, folder)
        with report.part("backtest"):
            backtest(report, instance, folder / "world-1")
        with report.part("shipped"):
            shipped(report, instance)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
