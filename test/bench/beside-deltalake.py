"""What the bench compares our Delta tables with: the same rows by Python's deltalake. One request a line on stdin, one answer a line.

`append`: blocks of events as NDJSON, parsed by pyarrow.json and written a commit each; `ahead` parses the next block in a second thread
meanwhile. `merge`: rows as NDJSON into a table by its `id`, where null keeps what is stored. `count`: the rows of a table.
"""
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

ZSTD_1 = WriterProperties(compression="ZSTD", compression_level=1)
MICROS = pa.timestamp("us", "UTC")


def append(request):
    texts = request["texts"]
    blocks = [open(file, "rb").read() for file in request["blocks"]]
    before, started = used(), time.perf_counter()
    version = request["version"]
    with ThreadPoolExecutor(1) as second:
        table = None
        for at, block in enumerate(blocks):
            rows = (table.result() if table is not None else None) or events(block, texts)
            table = second.submit(events, blocks[at + 1], texts) if request["ahead"] and at + 1 < len(blocks) else None
            write_deltalake(
                request["folder"],
                rows,
                mode="append",
                partition_by=["event_date"],
                writer_properties=ZSTD_1,
                commit_properties=CommitProperties(app_transactions=[Transaction("bench/0", version + at)]),
            )
    return {"seconds": time.perf_counter() - started, "cpuSeconds": used() - before}


def events(block, texts):
    """The 31 columns of a block of events, all by Arrow's own code."""
    fields = schema([*texts.values(), "utcDateTime"])
    read = pj.read_json(pa.BufferReader(block), parse_options=pj.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"))
    columns = {name: at(read, path).cast(pa.string()) for name, path in texts.items()}
    instant = at(read, "utcDateTime")
    columns["attachments"] = pc.binary_join(at(read, "data.attachments"), ",")
    columns["status_subtype"] = pc.list_element(pc.split_pattern(columns["type"], ".", max_splits=1, reverse=True), 1)
    columns["ingested_at"] = instant.cast(MICROS)
    columns["event_date"] = pc.utf8_slice_codeunits(instant, 0, 10).cast(pa.date32())
    columns["raw_json"] = pc.split_pattern(pa.array([block.removesuffix(b"\n")], pa.string()), "\n").flatten()
    columns["created_at"] = pa.repeat(pa.scalar(1_767_571_200_000_000, MICROS), len(read))
    columns["created_date"] = pa.repeat(pa.scalar(20458, pa.date32()), len(read))
    return pa.table(columns)


def schema(paths):
    root = {}
    for path in paths:
        *above, last = path.split(".")
        node = root
        for name in above:
            node = node.setdefault(name, {})
        node[last] = pa.int64() if path == "version" else pa.string()
    root["data"]["attachments"] = pa.list_(pa.string())
    return pa.schema([(name, typed(node)) for name, node in root.items()])


def typed(node):
    return pa.struct([(name, typed(below)) for name, below in node.items()]) if isinstance(node, dict) else node


def at(table, path):
    first, *below = path.split(".")
    return pc.struct_field(table[first], below) if below else table[first]


def merge(request):
    table = DeltaTable(request["folder"])
    fields = pa.schema(table.schema().to_arrow())
    changes = pj.read_json(request["changes"], parse_options=pj.ParseOptions(explicit_schema=fields, unexpected_field_behavior="error"))
    updates = {name: f"coalesce(changes.{name}, stored.{name})" for name in fields.names if name != "id"}
    before, started = used(), time.perf_counter()
    table.merge(
        changes, predicate="stored.id = changes.id", source_alias="changes", target_alias="stored", writer_properties=ZSTD_1
    ).when_matched_update(updates).when_not_matched_insert_all().execute()
    return {"seconds": time.perf_counter() - started, "cpuSeconds": used() - before}


def count(request):
    return {"rows": DeltaTable(request["folder"]).to_pyarrow_dataset().count_rows()}


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"append": append, "merge": merge, "count": count}[request["do"]](request)), flush=True)
