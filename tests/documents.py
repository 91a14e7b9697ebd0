#!/usr/bin/env python3
"""Writes docs/features.md and docs/rules.md from the shipped project; the second holds what the rules catch and cost on a simulated
history. `make docs` runs it. `tests/projects.py` checks that both pages still tell of the project as it is.
"""

import sys

from harness import documents
from harness.instance import ECOMMERCE, Instance, Workspace, arguments


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    with Workspace("documents", options.keep) as folder:
        instance = Instance(options.sluice, folder)
        history = folder / "history"
        made = instance.run(
            "simulate", "--count", documents.PAYMENTS, "--over", f"{documents.DAYS}d", "--fraud-rate", documents.FRAUD,
            "--seed", documents.SEED, "--start", documents.START, "--to", history, seconds=1800,
        )
        if made.returncode != 0:
            sys.exit(made.stderr)
        figures = instance.run(
            "backtest", "--project", ECOMMERCE, "--events", history, "--labels", history / "labels.jsonl", "--from", documents.FROM, seconds=1800
        )
        if figures.returncode != 0:
            sys.exit(figures.stderr)
        documents.FEATURES.write_text(documents.features_page(documents.shown(instance, "features")))
        documents.RULES.write_text(documents.rules_page(figures.stdout, documents.shown(instance, "rules")))
    print(f"written: {documents.FEATURES}, {documents.RULES}")


if __name__ == "__main__":
    sys.exit(main())
