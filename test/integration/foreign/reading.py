"""What every engine answers to `read`, once it can run SQL over the table `t`."""
from exact import rows_of


def answer(query, predicates, rows):
    def count(where):
        return query(f"SELECT count(*) AS n FROM t{where}")["n"].to_pylist()[0]

    return {
        "rows": rows_of(query("SELECT * FROM t")) if rows else [],
        "count": count(""),
        "matches": [count(f" WHERE {predicate}") for predicate in predicates],
    }
