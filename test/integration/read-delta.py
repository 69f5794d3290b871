"""Reads a Delta table with a reader that is not ours: `read-delta.py deltalake|duckdb`, a JSON request on stdin.

Request: {"table": path, "predicates": [sql, ...]}. Answer: {"rows": [...], "count": n, "matches": [n, ...]}.
Rows are as pipeline-host's own reader gives them: 64-bit numbers and decimals as text, times as ISO text with
microseconds, binary as base64, NaN and infinities as text.
"""
import base64
import datetime
import decimal
import glob
import json
import math
import os
import sys

os.environ["TZ"] = "UTC"
import pyarrow as pa


def exact(value, kind):
    if value is None:
        return None
    if pa.types.is_int64(kind):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None) if value.tzinfo else value
        return f"{value.year:04d}-" + value.strftime("%m-%dT%H:%M:%S.%f") + "Z"
    if isinstance(value, datetime.date):
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def rows_of(table):
    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(pa.timestamp("us", column.type.tz))
        columns[name] = [exact(value, column.type) for value in column.to_pylist()]
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def delta_rs(path):
    from deltalake import DeltaTable, QueryBuilder

    builder = QueryBuilder().register("t", DeltaTable(path))
    return lambda sql: pa.table(builder.execute(sql).read_all())


def duck_db(path):
    import duckdb
    import duckdb_extension_delta

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    folder = os.path.dirname(duckdb_extension_delta.__file__)
    (extension,) = glob.glob(f"{folder}/extensions/*/delta.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    quoted = path.replace("'", "''")
    connection.execute(f"CREATE VIEW t AS SELECT * FROM delta_scan('{quoted}')")
    return lambda sql: connection.execute(sql).to_arrow_table()


def main():
    request = json.load(sys.stdin)
    query = {"deltalake": delta_rs, "duckdb": duck_db}[sys.argv[1]](request["table"])

    def count(where):
        return query(f"SELECT count(*) AS n FROM t{where}")["n"].to_pylist()[0]

    answer = {
        "rows": rows_of(query("SELECT * FROM t")) if request.get("rows", True) else [],
        "count": count(""),
        "matches": [count(f" WHERE {predicate}") for predicate in request.get("predicates", [])],
    }
    json.dump(answer, sys.stdout, allow_nan=False)


main()
