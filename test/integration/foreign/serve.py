"""Other engines on Delta tables: `serve.py delta-rs|duckdb|spark` answers one JSON request a line on stdin, in order.

Request: {"do": name, ...arguments}. Answer: {"ok": result} or {"error": text}.
"""
import importlib
import json
import os
import sys

os.environ["TZ"] = "UTC"


def main():
    # Whatever a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module = importlib.import_module({"delta-rs": "delta_rs", "duckdb": "duck_db", "spark": "spark"}[sys.argv[1]])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(module, request.pop("do"))(**request)}
        except Exception as error:  # told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer, allow_nan=False) + "\n")
        answers.flush()


main()
