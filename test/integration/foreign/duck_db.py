"""DuckDB with its delta extension, which is delta-kernel-rs."""
import glob
import os

import duckdb
import duckdb_extension_delta

from reading import answer

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
(extension,) = glob.glob(f"{os.path.dirname(duckdb_extension_delta.__file__)}/extensions/*/delta.duckdb_extension")
connection.execute(f"LOAD '{extension}'")


def read(table, predicates, rows, version=None):
    at = "" if version is None else f", version = {int(version)}"
    quoted = table.replace("'", "''")
    connection.execute(f"CREATE OR REPLACE VIEW t AS SELECT * FROM delta_scan('{quoted}'{at})")
    return answer(lambda sql: connection.execute(sql).to_arrow_table(), predicates, rows)
