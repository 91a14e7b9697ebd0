#!/usr/bin/env python3
"""The shipped models built by real dbt on a real PostgreSQL, and by ours in the lake, from the same bronze rows: every table and snapshot must
hold the same rows in columns of the same kinds, and every test must say the same of as many rows; once from nothing, and again by what is
new. A model that is changed on one side alone must be seen.
"""

import datetime
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import yaml

from harness import lakehouse
from harness.instance import ECOMMERCE, REPOSITORY, Instance, Workspace, arguments
from harness.report import Report
from models import MIDDLE, MUTATIONS, bad, land, models, simulate
from services.postgres import Postgres

TESTS = Path(__file__).resolve().parent
# Nothing of it is kept, so nothing need be on disk; both sides reckon days in UTC.
SETTINGS = "fsync = off\nfull_page_writes = off\nssl = off\ntimezone = 'UTC'\n"
PROFILE = """\
ecommerce:
  target: real
  outputs:
    real: {{type: postgres, host: {host}, port: {port}, user: postgres, password: none, dbname: sluice, schema: main, threads: 4}}
"""
# Columns whose text is each engine's own: a hash of a time as the engine prints it. That they are unique is tested on both sides.
OWN = {"dbt_scd_id"}
# What the scorer had no cause, or no time, to write is no mistake of the models.
MAY_BE_EMPTY = {"silver.alerts", "gold.fraud_by_rule"}
# One product whose margin is a cent off.
ONE_CENT = "cast(case when product_id = (select min(product_id) from ranked) then 0.01 else 0 end as numeric(18, 2))"
A_CENT = ("silver/products.sql", "price - cost as margin", f"price - cost + {ONE_CENT} as margin")
A_CENT_A_DAY = ("gold/daily_sales.sql", "cast(sum(paid_amount) as", "cast(sum(paid_amount) + 0.01 as")
# Kinds of columns, by the names that PostgreSQL has for types.
KINDS = {
    "text": "text", "character varying": "text", "integer": "integer", "bigint": "integer", "smallint": "integer", "numeric": "decimal",
    "double precision": "float", "real": "float", "boolean": "boolean", "date": "date", "timestamp with time zone": "time",
    "timestamp without time zone": "time without zone",
}


def install():
    """dbt in an environment of its own, made when what it needs has changed; returns the program."""
    folder = Path(os.environ.get("SLUICE_DBT_VENV", REPOSITORY / "target" / "dbt-venv"))
    wanted = TESTS / "dbt-requirements.txt"
    digest, installed = hashlib.sha256(wanted.read_bytes()).hexdigest(), folder / ".installed"
    if not installed.exists() or installed.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        words = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", wanted]
        subprocess.run(words, check=True)
        installed.write_text(digest)
    return folder / "bin" / "dbt"


class Dbt:
    """The shipped project as dbt is given it: a copy of the folder, the package that it uses, and a profile with the server's address."""

    def __init__(self, program, folder, server):
        self.program, self.folder = program, folder / "dbt"
        self.project, self.target = self.folder / "project", self.folder / "target"
        shutil.copytree(ECOMMERCE, self.project)
        shutil.copytree(TESTS / "dbt_utils", self.project / "dbt_packages" / "dbt_utils")
        (self.folder / "profiles.yml").write_text(PROFILE.format(host=server.folder, port=server.port))
        self.environment = {
            **os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(self.folder),
            "DBT_TARGET_PATH": str(self.target), "DBT_LOG_PATH": str(self.folder / "logs"), "DBT_VERSION_CHECK": "false",
        }

    def run(self, verb, *options, project=None):
        """Runs a command of dbt: (exit code, what it complains about)."""
        (self.target / "run_results.json").unlink(missing_ok=True)
        words = [str(w) for w in (self.program, verb, "--quiet", "--no-use-colors", "--project-dir", project or self.project, *options)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=self.environment, cwd=self.folder, timeout=900)
        return done.returncode, (done.stdout + done.stderr)[-3000:].strip()


def type_of(kind):
    """The type in PostgreSQL of a column of the lake."""
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp without time zone" if kind.tz is None else "timestamp with time zone"
    return {
        "bool": "boolean", "int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint", "float": "real",
        "double": "double precision", "date32[day]": "date", "string": "text", "large_string": "text", "binary": "bytea", "large_binary": "bytea",
    }[str(kind)]


def load(server, lake):
    """All sources of the models as they stand in the lake, in PostgreSQL: the same rows in columns of the same types. Returns how many rows
    each has there."""
    counts = {}
    (sources,) = yaml.safe_load((ECOMMERCE / "models" / "sources.yml").read_text())["sources"]
    for name in (f"bronze.{table['name']}" for table in sources["tables"]):
        table = lakehouse.table(lake, name)
        columns = ", ".join(f'"{field.name}" {type_of(field.type)}' for field in table.schema)
        server.sql(f"create schema if not exists bronze; create table if not exists {name} ({columns}); truncate {name}", "sluice")
        copy(server, name, pa.table({field.name: as_csv(table[field.name]) for field in table.schema}))
        counts[name] = int(server.sql(f"select count(*) from {name}", "sluice"))
    return counts


def copy(server, name, table):
    """Rows into a table of the server. Null and text without letters stay apart: text is always quoted."""
    written = io.BytesIO()
    pa.csv.write_csv(table, written, pa.csv.WriteOptions(include_header=False))
    server.sql(f"copy {name} from stdin with (format csv)", "sluice", written.getvalue().decode())


def as_csv(column):
    """A column as Arrow can write it as CSV and PostgreSQL can read it: raw bytes as hexadecimal digits."""
    if str(column.type) not in ("binary", "large_binary"):
        return column
    return pa.array([None if v is None else f"\\x{v.hex()}" for v in column.to_pylist()], pa.string())


def theirs(server, name):
    """A table that dbt made: kinds of its columns, and its rows."""
    schema, table = name.split(".")
    where = f"table_schema = '{schema}' and table_name = '{table}' order by ordinal_position"
    listed = server.sql(f"select column_name, data_type from information_schema.columns where {where}", "sluice")
    kinds = {column: KINDS[kind] for column, kind in (line.split("|") for line in listed.splitlines())}
    lines = server.sql(f"select to_json(t) from {name} as t", "sluice").splitlines()
    return kinds, [{c: value(v, kinds[c]) for c, v in json.loads(line, parse_float=Decimal).items()} for line in lines]


def value(found, kind):
    """What PostgreSQL wrote as JSON, as the lake's reader has it. Decimals and whole numbers are compared as numbers, exactly."""
    if found is None:
        return None
    if kind == "float":
        return float(found)
    if kind == "date":
        return datetime.date.fromisoformat(found)
    return datetime.datetime.fromisoformat(found) if kind.startswith("time") else found


def ours(lake, name):
    """The same of a table that ours made."""
    table = lakehouse.table(lake, name)
    return {f.name: KINDS[type_of(f.type).partition("(")[0]] for f in table.schema}, table.to_pylist()


def differing(server, lake, name):
    """What of a table is not the same on both sides: nothing, where all is well; and how many rows it has."""
    (kinds, rows), (built_kinds, built) = theirs(server, name), ours(lake, name)
    if list(kinds.items()) != list(built_kinds.items()):
        return {"dbt's columns": kinds, "ours": built_kinds}, len(rows)
    columns = sorted(set(kinds) - OWN)
    left, right = (Counter(tuple(row[c] for c in columns) for row in side) for side in (rows, built))
    found = {"dbt": list((left - right).items())[:2], "ours": list((right - left).items())[:2], "columns": columns}
    return (found if left != right else {}), len(rows)


def tables(dbt):
    """Every model and snapshot that is a table, as dbt's manifest names them."""
    nodes = json.loads((dbt.target / "manifest.json").read_text())["nodes"].values()
    kinds = [n for n in nodes if n["resource_type"] in ("model", "snapshot") and n["config"]["materialized"] != "ephemeral"]
    return sorted(f"{n['schema']}.{n['alias']}" for n in kinds)


def identities(manifest):
    """What each node is to those who compare: a generic test is told by what it asks of what, as long names are shortened in two ways."""
    nodes = json.loads(manifest.read_text())["nodes"]
    return {key: asked(node) if node.get("test_metadata") else key for key, node in nodes.items()}


def asked(test):
    meta = test["test_metadata"]
    return f"{meta['namespace']} {meta['name']} of {test['attached_node']} {json.dumps(meta['kwargs'], sort_keys=True)}"


def results_of(target):
    """What a run says of each node: its status, and of a test how many rows break it. A unit test that fails is one failure to dbt, whatever
    the number of its rows."""
    names = identities(target / "manifest.json")
    results = json.loads((target / "run_results.json").read_text())["results"]
    said = {names.get(r["unique_id"], r["unique_id"]): (r["status"], r.get("failures")) for r in results}
    assert len(said) == len(results), "two nodes are taken for one"
    return {name: (status, min(failures, 1) if name.startswith("unit_test.") and failures else failures) for name, (status, failures) in said.items()}


def of_others(name, chosen):
    """Whether it is a test of a model that was not chosen: dbt runs those that refer to a chosen one, ours runs the tests of the chosen."""
    of = name.partition(" of ")[2].partition(" ")[0]
    return bool(of) and of.split(".")[-1] not in chosen


def unlike(mine, real):
    return [(name, {"dbt": real.get(name), "ours": mine.get(name)}) for name in sorted(mine.keys() | real.keys()) if mine.get(name) != real.get(name)]


def both(report, instance, server, dbt, what):
    """Loads what has landed, builds on both sides, and compares everything."""
    lake = instance.folder / "lake"
    counts = load(server, lake)
    code, documents, _ = models(instance, "build", "--threads", 2)
    report.equal(f"{what}: ours builds", (code, bad(documents)), (0, []))
    report.equal(f"{what}: both had the same bronze", {name: lakehouse.rows(lake, name) for name in counts}, counts)
    code, printed = dbt.run("build")
    report.check(f"{what}: dbt builds", code == 0, printed)
    names = tables(dbt)
    report.check(f"{what}: every model and snapshot is a table", len(names) == 29, names)
    for name in names:
        found, rows = differing(server, lake, name)
        report.check(f"{what}: {name}: {rows} rows, each the same", not found and (rows > 0 or name in MAY_BE_EMPTY), found)
    mine, real = results_of(instance.folder / "target"), results_of(dbt.target)
    report.check(f"{what}: {len(real)} results, each the same", len(real) > 340 and mine == real, unlike(mine, real)[:5])


def changed(folder, source, changes):
    """A copy of the shipped project with changes to its models."""
    shutil.copytree(source, folder)
    for file, text, other in changes:
        path = folder / "models" / file
        before = path.read_text()
        assert text in before, (file, text)
        path.write_text(before.replace(text, other, 1))
    return folder


def seen(report, instance, server, dbt):
    """A model that is changed in ours alone is seen in its rows, and in the tests of it."""
    lake = instance.folder / "lake"
    code, _, done = models(instance, "build", "--select", "products", project=changed(instance.folder / "cent", ECOMMERCE, [A_CENT]))
    report.equal("ours with one row that is a cent off is built, and its test fails", code, 1)
    found, _ = differing(server, lake, "silver.products")
    report.check("the row is seen", [sum(n for _, n in found.get(side, [])) for side in ("dbt", "ours")] == [1, 1], (found, done.stderr[-500:]))
    real, mine = results_of(dbt.target), results_of(instance.folder / "target")
    failed = {name: result for name, result in mine.items() if result != real.get(name)}
    report.check(
        "and so is the test that fails of it, and nothing else",
        list(failed.values()) == [("fail", 1)] and "margin = price - cost" in next(iter(failed)) and real.get(next(iter(failed))) == ("pass", 0),
        failed,
    )
    code, _, _ = models(instance, "build", "--select", "products")
    report.equal("built anew, it is the same again", (code, differing(server, lake, "silver.products")[0]), (0, {}))


def broken(report, instance, dbt):
    """Models that are broken in the same ways on both sides: each test says the same, of as many rows, and the same is skipped."""
    changes = [change[1:4] for change in MUTATIONS if change[0] != "singular"] + [A_CENT_A_DAY]
    names = sorted({Path(file).stem for file, *_ in changes})
    models(instance, "build", "--select", *names, project=changed(instance.folder / "broken", ECOMMERCE, changes))
    code, printed = dbt.run("build", "--select", *names, project=changed(dbt.folder / "broken", dbt.project, changes))
    mine, real = results_of(instance.folder / "target"), results_of(dbt.target)
    real = {name: result for name, result in real.items() if not of_others(name, names)}
    what = f"models broken in {len(changes)} ways: {len(real)} results, each the same"
    report.check(what, code == 1 and mine == real, (unlike(mine, real)[:8], printed[-500:]))
    found = Counter(status for status, _ in real.values())
    report.check("among them some that fail, some that warn, some skipped", found["fail"] >= 8 and found["warn"] > 0 and found["skipped"] > 0, found)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--count", default=1200, type=int, help="payments to simulate")
    options = parser.parse_args()
    report = Report("dbt")
    program = install()
    with Workspace("dbt", options.keep) as folder, Postgres(settings=SETTINGS) as server:
        dbt = Dbt(program, folder, server)
        with Instance(options.sluice, folder, options=["--lake", folder / "lake"]) as instance:
            instance.start()
            simulate(report, instance, folder / "world", options.count)
            wanted = {}
            with report.part("from nothing"):
                land(report, instance, folder / "world", wanted, lambda day: day < MIDDLE, "the first half")
                both(report, instance, server, dbt, "from nothing")
            with report.part("what is new"):
                land(report, instance, folder / "world", wanted, lambda day: day >= MIDDLE, "the second half")
                both(report, instance, server, dbt, "what is new")
            with report.part("a change on one side"):
                seen(report, instance, server, dbt)
            with report.part("broken models"):
                broken(report, instance, dbt)
            report.equal("the instance stops", instance.stop()[0], 0)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
