"""delta-rs. Read by its SQL alone: its pandas, Arrow and count paths refuse deletion vectors or do not see them."""
import json
import re

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Schema, TableFeatures, Transaction, write_deltalake

from deltalake.exceptions import CommitFailedError

from exact import arrow_of
from reading import answer


def read(table, predicates, rows, version=None):
    builder = QueryBuilder().register("t", DeltaTable(table, version=version))
    # DataFusion's own TIMESTAMP literal is in nanoseconds, and knows no year after 2262.
    timestamp = r"""arrow_cast(\1, 'Timestamp(Microsecond, Some("UTC"))')"""
    predicates = [re.sub(r"\bTIMESTAMP ('[^']*')", timestamp, predicate) for predicate in predicates]
    return answer(lambda sql: pa.table(builder.execute(sql).read_all()), predicates, rows)


def _arrow(table, rows):
    return arrow_of(rows, pa.schema(DeltaTable(table).schema().to_arrow()))


def append(table, rows, txn=None):
    transactions = None if txn is None else [Transaction(txn["appId"], int(txn["version"]))]
    write_deltalake(table, _arrow(table, rows), mode="append", commit_properties=CommitProperties(app_transactions=transactions))


def merge(table, rows, key):
    condition = " AND ".join(f"t.{column} = s.{column}" for column in key)
    merger = DeltaTable(table).merge(_arrow(table, rows), condition, source_alias="s", target_alias="t")
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


def delete(table, where):
    DeltaTable(table).delete(where)


def update(table, values, where):
    DeltaTable(table).update(values, predicate=where)


def optimize(table):
    DeltaTable(table).optimize.compact()


def vacuum(table):
    # Never full: that deletes live deletion vectors.
    return DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def vacuum_full(table):
    """What README warns of."""
    return DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)


def checkpoint(table):
    DeltaTable(table).create_checkpoint()


def txn(table, appId):
    version = DeltaTable(table).transaction_version(appId)
    return None if version is None else str(version)


def create(table, schema, rows, properties={}, partitionBy=None):
    """`schema`: as the log has it."""
    DeltaTable.create(table, Schema.from_json(json.dumps(schema)), configuration=properties, partition_by=partitionBy)
    append(table, rows)


def add_feature(table, feature):
    DeltaTable(table).alter.add_feature(getattr(TableFeatures, feature), allow_protocol_versions_increase=True)


def add_constraint(table, name, expression):
    DeltaTable(table).alter.add_constraint({name: expression})


def append_blocks(table, blocks):
    """Many appends, one after the other, whoever else writes meanwhile. delta-rs gives up where files that it saw were removed."""
    for rows in blocks:
        while True:
            try:
                append(table, rows)
                break
            except CommitFailedError:
                pass


def count(table):
    return DeltaTable(table).count()
