"""Values between Arrow and the JSON of pipeline-host's own rows, without loss.

64-bit whole numbers and decimals are text, times ISO text with microseconds, binary base64, NaN, infinities and -0.0 text,
structs and maps objects, a map's keys being text.
"""
import base64
import datetime
import decimal
import math

import pyarrow as pa

UTC = datetime.timezone.utc


def exact(value, kind):
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: exact(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return {str(exact(key, kind.key_type)): exact(item, kind.item_type) for key, item in value}
    if isinstance(value, list):
        return [exact(item, kind.value_type) for item in value]
    if pa.types.is_int64(kind):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        naive = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return f"{naive.year:04d}-" + naive.strftime("%m-%dT%H:%M:%S.%f") + ("" if kind.tz is None else "Z")
    if isinstance(value, datetime.date):
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return "-0.0" if value == 0 and math.copysign(1, value) < 0 else value
    return value


def rows_of(table):
    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_timestamp(column.type) and column.type.unit != "us":
            column = column.cast(pa.timestamp("us", column.type.tz))
        columns[name] = [exact(value, column.type) for value in column.to_pylist()]
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def inexact(value, kind):
    """The Python value that Arrow takes for a column of this type."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: inexact(value.get(field.name), field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(inexact(key, kind.key_type), inexact(item, kind.item_type)) for key, item in value.items()]
    if isinstance(value, list):
        return [inexact(item, kind.value_type) for item in value]
    if pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_decimal(kind):
        return decimal.Decimal(value)
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_timestamp(kind):
        return datetime.datetime.fromisoformat(value)
    if pa.types.is_date(kind):
        return datetime.date.fromisoformat(value)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return base64.b64decode(value)
    return value


def arrow_of(rows, schema):
    columns = [pa.array([inexact(row.get(field.name), field.type) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
