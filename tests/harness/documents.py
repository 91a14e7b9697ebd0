"""The pages of docs/ that are made, not written: the shipped project's features, and its rules with what they catch and cost."""

import json

from harness.instance import ECOMMERCE, REPOSITORY

FEATURES = REPOSITORY / "docs" / "features.md"
RULES = REPOSITORY / "docs" / "rules.md"
CATALOGUE = "## The rules, one by one\n"

# The history behind docs/rules.md. Thirty days fill the windows, the others are counted.
PAYMENTS, DAYS, FRAUD, SEED, START, FROM = 250_000, 90, 0.01, 11, "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z"


def shown(instance, noun):
    """What `sluice show NOUN --output json` says of the shipped project."""
    done = instance.run("show", noun, "--project", ECOMMERCE, "--output", "json")
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def features_page(features):
    """One table for each feature file, under what the file says of itself."""
    lines = [
        "# Features of the shipped project",
        "",
        f"Made by `make docs` from `projects/ecommerce`: {len(features)} features. A group of windows over one stream and one partition is computed once, however many",
        "files ask it. Every value is as of the payment's own time; a count or a sum holds the payment itself unless it says otherwise.",
    ]
    for path in dict.fromkeys(f["file"] for f in features):
        comment = []
        for line in (ECOMMERCE / path).read_text().splitlines():
            if not line.startswith("--"):
                break
            comment.append(line.removeprefix("--").strip())
        lines += ["", f"## {path.removeprefix('features/')}", "", *comment, "", "| feature | type | unit | what it says |", "|---|---|---|---|"]
        for f in features:
            if f["file"] == path:
                lines.append(f"| `{f['name']}` | {f['type']} | {f['unit'] or ''} | {f['description'] or ''} |")
    return "\n".join(lines) + "\n"


def rules_catalogue(rules):
    """Each rule: why it exists, when it hits, and what to do next."""
    lines = [CATALOGUE]
    for rule in rules:
        shadow = ", in shadow: it is recorded and decides nothing" if rule["mode"] == "shadow" else ""
        lines += [
            f"### {rule['name']}",
            "",
            f"{rule['action'].capitalize()}, severity {rule['severity']}, weight {rule['weight']}{shadow}.",
            "",
            rule["description"].strip(),
            "",
            "```sql",
            rule["when"].strip(),
            "```",
            "",
            f"Next: {(rule.get('next') or 'nothing').strip()}.",
            "",
        ]
    return "\n".join(lines)


def rules_page(figures, rules):
    """The report over the simulated history, then the rules themselves."""
    live = sum(rule["mode"] == "live" for rule in rules)
    return "\n".join(
        [
            "# Rules of the shipped project: what they catch and what they cost",
            "",
            f"Made by `make docs` from `projects/ecommerce`: {len(rules)} rules, {live} of them live. The figures are of a simulated history, the same at each run:",
            "",
            "```sh",
            f"sluice simulate --count {PAYMENTS} --over {DAYS}d --fraud-rate {FRAUD} --seed {SEED} --start {START} --to history",
            f"sluice backtest --events history --labels history/labels.jsonl --from {FROM}",
            "```",
            "",
            "In reality fraud adapts to rules and customers are stranger than these, so read the figures against each other rather than as promises. On",
            "your own history the same command gives yours.",
            "",
            figures.strip(),
            "",
            rules_catalogue(rules),
        ]
    )
