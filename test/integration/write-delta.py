"""Appends rows to a Delta table, or makes one, with delta-rs: a JSON request on stdin.

Request: {"table": path, "columns": [[name, type], ...], "rows": [{...}, ...], "partitionBy": [name, ...]}. Types are those
of Delta; timestamps and dates are ISO text. Answers with the version.
"""
import datetime
import json
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

TYPES = {
    "string": pa.string(),
    "long": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}
PARSERS = {"date": datetime.date.fromisoformat, "timestamp": datetime.datetime.fromisoformat}


def main():
    request = json.load(sys.stdin)

    def values(name, kind):
        parse = PARSERS.get(kind, lambda value: value)
        return [None if row.get(name) is None else parse(row[name]) for row in request["rows"]]

    columns = {name: pa.array(values(name, kind), TYPES[kind]) for name, kind in request["columns"]}
    write_deltalake(request["table"], pa.table(columns), mode="append", partition_by=request["partitionBy"] or None)
    json.dump({"version": DeltaTable(request["table"]).version()}, sys.stdout)


main()
