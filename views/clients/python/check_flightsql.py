"""Holds a running Framelake to what the stock FlightSQL driver relies on.

    python check_flightsql.py grpc://127.0.0.1:8651

Needs the tables `processes` and `measures`, with a row or more in `measures`. Prints one line per check; exits 1 if any fails.
"""

import os
import sys
import tempfile
import threading
import time
import traceback

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_flightsql import dbapi


def a_statement_answers_with_an_arrow_table(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 AS one, 'two' AS two, CAST(NULL AS DOUBLE) AS three")
        table = cursor.fetch_arrow_table()
    assert table.to_pylist() == [{"one": 1, "two": "two", "three": None}], table


def rows_come_as_tuples_too(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (n, s) ORDER BY n")
        assert cursor.fetchone() == (1, "a")
        assert cursor.fetchall() == [(2, "b")]


def a_whole_table_is_read_and_counted(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) AS n FROM measures")
        (count,) = cursor.fetchone()
        assert count > 0, "measures is empty: run the demo first"
        cursor.execute("SELECT ordinal, name, time, value FROM measures LIMIT 100000")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == min(count, 100_000), (table.num_rows, count)
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC"), table.schema
    assert all(isinstance(name, str) for name in table["name"].slice(0, 10).to_pylist())


def dictionaries_stay_dictionaries_for_this_driver(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM measures LIMIT 10")
        kind = cursor.fetch_arrow_table().schema.field("name").type
    assert pa.types.is_dictionary(kind), kind


def an_empty_answer_has_its_columns(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, value FROM measures WHERE name = 'nobody measures this'")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == 0 and table.schema.names == ["name", "value"], table.schema


def parameters_are_bound(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, count(*) AS n FROM measures GROUP BY name ORDER BY n DESC LIMIT 1")
        name, count = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM measures WHERE name = ? AND value >= ?", (name, float("-inf")))
        assert cursor.fetchone() == (count,)
        cursor.execute("SELECT $1 + 1, $2", (41, "text"))
        assert cursor.fetchone() == (42, "text")


def a_statement_runs_again_with_other_parameters(connection):
    with connection.cursor() as cursor:
        for value in (1, 21):
            cursor.execute("SELECT CAST(? AS BIGINT) * 2", (value,))
            assert cursor.fetchone() == (value * 2,)


def objects_are_listed_with_their_columns(connection):
    tree = connection.adbc_get_objects(depth="all", table_name_filter="meas%").read_all().to_pylist()
    found = {
        (catalog["catalog_name"], schema["db_schema_name"], table["table_name"]): table
        for catalog in tree
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert list(found) == [("framelake", "public", "measures")], list(found)
    table = found["framelake", "public", "measures"]
    assert table["table_type"] == "BASE TABLE", table["table_type"]
    columns = [column["column_name"] for column in table["table_columns"]]
    assert {"ordinal", "name", "time", "value"} <= set(columns), columns


def table_types_are_listed(connection):
    assert "BASE TABLE" in connection.adbc_get_table_types()


def a_tables_schema_is_that_of_its_rows(connection):
    described = connection.adbc_get_table_schema("measures", db_schema_filter="public")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM measures LIMIT 1")
        assert cursor.fetch_arrow_table().schema.equals(described), described


def a_schema_is_told_without_running(connection):
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema("SELECT process_id, exe FROM processes")
    assert schema.names == ["process_id", "exe"], schema


def information_schema_lists_the_tables(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        assert {"processes", "measures"} <= {row[0] for row in cursor.fetchall()}


def the_server_says_who_it_is(connection):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Framelake", info


def refused(connection, sql, *words):
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql)
            cursor.fetchall()
        except adbc_driver_manager.Error as error:
            assert error.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, error.status_code
            for word in words:
                assert word in str(error), (word, str(error))
            return
    raise AssertionError(f"not refused: {sql}")


def what_writes_is_refused_with_the_remedy(connection):
    path = os.path.join(tempfile.mkdtemp(), "stolen.parquet")
    for sql in (
        f"COPY (SELECT 1 AS x) TO '{path}'",
        "CREATE TABLE t AS SELECT 1 AS x",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/tmp'",
        "INSERT INTO measures SELECT * FROM measures",
        "DROP TABLE measures",
        "SET datafusion.execution.batch_size = 1",
    ):
        refused(connection, sql, "SELECT")
    refused(connection, "SELECT * FROM '/etc/passwd'", "SHOW TABLES")
    assert not os.path.exists(path)


def errors_name_what_is_wrong(connection):
    refused(connection, "SELEC 1", "SELEC")
    refused(connection, "SELECT nothing FROM measures", "nothing")
    refused(connection, "SELECT * FROM nowhere", "nowhere", "SHOW TABLES")
    refused(connection, "SELECT CAST(name AS INT) FROM measures", "annot cast")
    refused(connection, "SELECT 1 / (ordinal - ordinal) FROM measures", "ivide by zero")


def several_rows_of_parameters_are_refused(connection):
    with connection.cursor() as cursor:
        try:
            cursor.executemany("SELECT ?", [(1,), (2,)])
        except adbc_driver_manager.Error:
            return
    raise AssertionError("executemany was taken")


def a_running_query_can_be_cancelled(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b")
        reader = cursor.fetch_record_batch()
        reader.read_next_batch()
        cancel = threading.Timer(0.2, cursor.adbc_cancel)
        cancel.start()
        start = time.monotonic()
        try:
            for _ in reader:
                assert time.monotonic() - start < 30, "still running"
        except (adbc_driver_manager.Error, OSError, pa.ArrowException):
            pass
        else:
            raise AssertionError("10^12 rows were read")
        finally:
            cancel.join()
    # The connection goes on.
    a_statement_answers_with_an_arrow_table(connection)


def user_and_password_are_taken_while_nobody_checks_them(connection, uri):
    with dbapi.connect(uri, autocommit=True, db_kwargs={"username": "anyone", "password": "anything"}) as other:
        a_statement_answers_with_an_arrow_table(other)


CHECKS = [
    a_statement_answers_with_an_arrow_table,
    rows_come_as_tuples_too,
    a_whole_table_is_read_and_counted,
    dictionaries_stay_dictionaries_for_this_driver,
    an_empty_answer_has_its_columns,
    parameters_are_bound,
    a_statement_runs_again_with_other_parameters,
    objects_are_listed_with_their_columns,
    table_types_are_listed,
    a_tables_schema_is_that_of_its_rows,
    a_schema_is_told_without_running,
    information_schema_lists_the_tables,
    the_server_says_who_it_is,
    what_writes_is_refused_with_the_remedy,
    errors_name_what_is_wrong,
    several_rows_of_parameters_are_refused,
    a_running_query_can_be_cancelled,
    user_and_password_are_taken_while_nobody_checks_them,
]


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    uri = sys.argv[1]
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            with dbapi.connect(uri, autocommit=True) as connection:
                wanted = {"connection": connection, "uri": uri}
                arguments = check.__code__.co_varnames[: check.__code__.co_argcount]
                check(**{argument: wanted[argument] for argument in arguments})
            print(f"ok      {name}")
        except Exception:
            failed += 1
            print(f"FAILED  {name}")
            traceback.print_exc()
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
