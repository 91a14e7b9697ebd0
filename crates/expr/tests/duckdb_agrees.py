"""Checks the table of expressions against DuckDB: value and type of every row that is not marked `-- ours`.

usage: duckdb_agrees.py SPEC_FOLDER
"""

import pathlib
import sys

import duckdb

folder = pathlib.Path(sys.argv[1])
connection = duckdb.connect()
connection.execute(
    """create macro distance_km(a, b, c, d) as 2 * 6371.0088 * asin(sqrt(
    pow(sin(radians(c - a) / 2), 2) + cos(radians(a)) * cos(radians(c)) * pow(sin(radians(d - b) / 2), 2)))"""
)
connection.execute("create table watched as select 'online' as name, 7::bigint as code")

columns = []
for line in (folder / "columns.txt").read_text().splitlines():
    if not line.startswith("#"):
        name, kind, value = line.split(None, 2)
        value = "" if value == "''" else value
        literal = "null" if value == "null" else "'" + value + "'"
        columns.append(f"cast({literal} as {kind}) as {name}")
connection.execute("create table r as select " + ", ".join(columns))


def kind_of(name):
    if name in ("INTEGER", "BIGINT", "TINYINT", "SMALLINT"):
        return "integer"
    if name == "HUGEINT":
        return "decimal(0)"
    if name.startswith("DECIMAL"):
        return f"decimal({name.rstrip(')').split(',')[1]})"
    return {"DOUBLE": "float", "VARCHAR": "text", '"NULL"': "null"}.get(name, name.lower())


def same(kind, expected, got):
    if got is None or expected == "null":
        return got is None and expected == "null"
    if kind == "float":
        return abs(float(got) - float(expected)) <= 1e-12 * max(1.0, abs(float(expected)))
    if kind == "text":
        return f"'{got}'" == expected
    if kind.startswith("decimal") and got.lstrip("-").startswith("."):
        got = got.replace(".", "0.", 1)
    return got == expected


wrong = rows = 0
for line in (folder / "values.txt").read_text().splitlines():
    if not line or line.startswith("#") or " -- ours" in line:
        continue
    expression, rest = line.rsplit(" => ", 1)
    value, kind = rest.rsplit(" : ", 1)
    shown = f"printf('%.6f', epoch({expression}))" if kind == "interval" else f"cast({expression} as varchar)"
    rows += 1
    try:
        got, got_kind = connection.execute(f"select {shown}, typeof({expression}) from r").fetchone()
    except duckdb.Error as error:
        got, got_kind = str(error).splitlines()[0], "an error"
    got_kind = kind_of(got_kind)
    if not same(kind, value, got) or got_kind not in (kind, "null"):
        wrong += 1
        print(f"{expression}: the table says {value} : {kind}, DuckDB {got} : {got_kind}")
print(f"{rows} rows, {wrong} differ")
sys.exit(1 if wrong or rows < 200 else 0)
