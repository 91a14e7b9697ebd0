"""Compares the engine's feature values with DuckDB's, over tables and queries that the Rust test wrote into a folder.

tables.sql makes and fills one table a stream; as_of.sql is the rendered as-of SQL; plain/*.sql are feature files as they stand
(with `sequence` selected beside); expected.csv holds the engine's values, its header `name:type`. Exact types compare exactly,
floats to 1e-9. Prints every difference (the first 20) and ends with status 1 if there is any.
"""

import csv
import math
import sys
from decimal import Decimal
from pathlib import Path

import duckdb

READ = {
    "integer": int,
    "decimal": Decimal,
    "float": float,
    "text": str,
    "boolean": lambda text: text == "true",
    "timestamp": str,
}


def same(kind, ours, theirs):
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if kind == "float":
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    if kind == "timestamp":
        return ours == theirs.isoformat(timespec="microseconds")
    return ours == theirs


def main(folder):
    connection = duckdb.connect()
    connection.execute((folder / "tables.sql").read_text())
    with open(folder / "expected.csv", newline="") as lines:
        rows = csv.reader(lines)
        columns = [name.split(":") for name in next(rows)]
        expected = {
            int(row[0]): {
                name: None if text == "\\N" else READ[kind](text) for (name, kind), text in zip(columns[1:], row[1:])
            }
            for row in rows
        }
    kinds = dict(columns[1:])

    differences, compared = [], 0
    queries = [("as_of.sql", (folder / "as_of.sql").read_text(), True)]
    queries += [(path.name, path.read_text(), False) for path in sorted((folder / "plain").glob("*.sql"))]
    for name, sql, complete in queries:
        result = connection.execute(sql)
        names = [column[0] for column in result.description]
        found = result.fetchall()
        if len(found) != len(expected):
            differences.append(f"{name}: {len(found)} rows, but the engine judged {len(expected)}")
        checked = [n for n in names if n in kinds]
        if complete and set(checked) != set(kinds):
            differences.append(f"{name}: lacks {set(kinds) - set(checked)}")
        for values in found:
            row = dict(zip(names, values))
            ours = expected[row["sequence"]]
            for column in checked:
                compared += 1
                if not same(kinds[column], ours[column], row[column]):
                    differences.append(
                        f"{name}: {column} at sequence {row['sequence']}: engine {ours[column]!r}, DuckDB {row[column]!r}"
                    )
    for line in differences[:20]:
        print(line)
    print(f"{compared} values compared, {len(differences)} differences")
    return 1 if differences or not compared else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
