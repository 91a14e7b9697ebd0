"""Tables of a lake as a program of others reads them, and what DuckDB makes of the same rows."""

from deltalake import DeltaTable


def table(folder, name):
    """A table, such as gold.daily_sales, as Arrow has it."""
    return DeltaTable(str(folder / name.replace(".", "/"))).to_pyarrow_table()


def rows(folder, name):
    """How many rows a table has; 0 where it is not there yet."""
    try:
        return DeltaTable(str(folder / name.replace(".", "/"))).to_pyarrow_table(columns=["_offset"]).num_rows
    except Exception:  # noqa: BLE001 - it is being made
        return 0


def reaches(folder, name, topic, ends):
    """Whether a table holds all of a topic, whose partitions end as given."""
    try:
        found = DeltaTable(str(folder / name.replace(".", "/")))
    except Exception:  # noqa: BLE001 - it is being made
        return False
    return all((found.transaction_version(f"sluice:{topic}:{partition}") or 0) >= end for partition, end in ends.items())


def compare(report, database, folder, name, sql):
    """A table must hold just the rows that a query gives, in the columns that the query has."""
    database.register("built", table(folder, name))
    expected = database.execute(f"create or replace temp table expected as {sql}; describe expected").fetchall()
    columns = ", ".join(f"{c[0]}::{c[1]} as {c[0]}" for c in expected)
    differing = database.execute(f"""
        (select 'only expected', * from (select {columns} from expected except all select {columns} from built) limit 3)
        union all (select 'only built', * from (select {columns} from built except all select {columns} from expected) limit 3)""").fetchall()
    count = database.execute("select count(*) from expected").fetchall()[0][0]
    report.check(f"{name}: {count} rows as DuckDB makes them", count > 0 and not differing, differing)
