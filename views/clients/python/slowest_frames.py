"""The slowest frames that a Framelake server knows: python slowest_frames.py grpc://127.0.0.1:8651"""

import sys

from adbc_driver_flightsql import dbapi

# Times are nanoseconds; Python's own datetime ends at microseconds (pandas reads all of them).
SLOWEST = """
    SELECT process_id, ordinal, date_trunc('microsecond', begin) AS begin, duration_ns / 1e6 AS milliseconds
    FROM frames
    WHERE duration_ns > CAST(? AS BIGINT)
    ORDER BY duration_ns DESC
    LIMIT 10
"""


def main() -> None:
    uri = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:8651"
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        # 60 frames a second are 16.7 ms each.
        cursor.execute(SLOWEST, (16_700_000,))
        for row in cursor.fetch_arrow_table().to_pylist():
            print(f"{row['begin']}  frame {row['ordinal']:>8}  {row['milliseconds']:8.2f} ms  {row['process_id']}")


if __name__ == "__main__":
    main()
