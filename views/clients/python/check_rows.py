"""The stock driver sees every span of a process: python check_rows.py URI PROCESS_ID SPANS"""

import sys

import adbc_driver_flightsql.dbapi as flightsql


def main(uri: str, process_id: str, spans: int) -> None:
    with flightsql.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            'SELECT stream_id, ordinal, name, duration_ns FROM thread_spans WHERE process_id = ? AND "end" IS NOT NULL',
            parameters=[process_id],
        )
        table = cursor.fetch_arrow_table()
        assert table.num_rows == spans, f"{table.num_rows} rows, {spans} emitted"
        rows = set(zip(table["stream_id"].to_pylist(), table["ordinal"].to_pylist()))
        assert len(rows) == spans, f"{len(rows)} distinct rows of {spans}"
        assert set(table["name"].to_pylist()) >= {"frame", "agent", "steer"}
        assert min(table["duration_ns"].to_pylist()) >= 0
    print(f"{spans} spans, each once")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
