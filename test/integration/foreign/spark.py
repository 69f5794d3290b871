"""Spark with delta-spark, the reference: in this process, on two threads, from the jars in $DELTA_JARS."""
import glob
import os

from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, MapType, StructField, StructType

from exact import arrow_of
from reading import answer

SETTINGS = {
    "spark.jars": ",".join(sorted(glob.glob(f"{os.environ['DELTA_JARS']}/*.jar"))),
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.sql.warehouse.dir": os.path.join(os.getcwd(), "spark-warehouse"),
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
}
builder = SparkSession.builder.master("local[2]")
for name, value in SETTINGS.items():
    builder = builder.config(name, value)
session = builder.getOrCreate()
session.sparkContext.setLogLevel("ERROR")


def _name(table):
    return f"delta.`{table}`"


def _relaxed(kind):
    """The type with everything nullable: pyarrow refuses a null struct with a field that must not be null."""
    if isinstance(kind, StructType):
        return StructType([StructField(field.name, _relaxed(field.dataType), True) for field in kind])
    if isinstance(kind, ArrayType):
        return ArrayType(_relaxed(kind.elementType), True)
    if isinstance(kind, MapType):
        return MapType(_relaxed(kind.keyType), _relaxed(kind.valueType), True)
    return kind


def _select(sql):
    frame = session.sql(sql)
    return frame.to(_relaxed(frame.schema)).toArrow()


def read(table, predicates, rows, version=None):
    at = "" if version is None else f" VERSION AS OF {int(version)}"
    session.sql(f"SELECT * FROM {_name(table)}{at}").createOrReplaceTempView("t")
    return answer(_select, predicates, rows)


def _frame(table, rows):
    schema = session.table(_name(table)).schema
    return session.createDataFrame(arrow_of(rows, to_arrow_schema(schema, timezone="UTC")), schema)


def append(table, rows, txn=None):
    writer = _frame(table, rows).write.format("delta").mode("append")
    if txn is not None:
        writer = writer.option("txnAppId", txn["appId"]).option("txnVersion", txn["version"])
    writer.save(table)


def merge(table, rows, key):
    _frame(table, rows).createOrReplaceTempView("s")
    condition = " AND ".join(f"t.{column} = s.{column}" for column in key)
    session.sql(f"MERGE INTO {_name(table)} t USING s ON {condition} WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")


def delete(table, where):
    session.sql(f"DELETE FROM {_name(table)} WHERE {where}")


def update(table, values, where):
    assignments = ", ".join(f"{column} = {value}" for column, value in values.items())
    session.sql(f"UPDATE {_name(table)} SET {assignments} WHERE {where}")


def optimize(table):
    session.sql(f"OPTIMIZE {_name(table)}")


def vacuum(table):
    session.sql(f"VACUUM {_name(table)} RETAIN 0 HOURS")


def checkpoint(table):
    log = session._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(session._jsparkSession, table)
    none = session._jvm.scala.Option.empty()
    log.checkpoint(log.update(False, none, none), none)


def run(sql):
    session.sql(sql)


def append_blocks(table, blocks):
    """Many appends, one after the other, whoever else writes meanwhile."""
    for rows in blocks:
        append(table, rows)
