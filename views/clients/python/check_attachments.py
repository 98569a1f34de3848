"""The stock driver gets a file of several parts back, byte for byte: python check_attachments.py URI PROCESS_ID"""

import sys

import adbc_driver_flightsql.dbapi as flightsql


def noise() -> bytes:
    """What the producer of the tests attached."""
    state, out = 1, bytearray()
    for _ in range(1_200_000):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        out.append(state >> 24)
    return bytes(out)


def main(uri: str, process_id: str) -> None:
    with flightsql.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, media_type, size, parts, bytes FROM attachments WHERE process_id = ? AND attachment = 0 ORDER BY part",
            parameters=[process_id],
        )
        rows = cursor.fetchall()
    assert {row[:4] for row in rows} == {("noise.bin", "application/octet-stream", 1_200_000, 3)}, [row[:4] for row in rows]
    file = b"".join(row[4] for row in rows)
    assert file == noise(), f"{len(rows)} parts, {len(file)} bytes"
    print(f"a file of {len(file)} bytes in {len(rows)} parts")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
