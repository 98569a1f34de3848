"""Reads a lake's segments with a stock Avro reader and compares them with what SQL says of them.

    python check_segments.py DIRECTORY_OF_OBJECTS grpc://127.0.0.1:8651

DIRECTORY_OF_OBJECTS is `objects` in the data directory. Exits 1 if a block that SQL knows is not in the segments, or differs there.
"""

import pathlib
import sys
import uuid

import fastavro
from adbc_driver_flightsql import dbapi


def blocks_in_segments(directory: pathlib.Path) -> dict:
    """What each block's header says: kind, sequence, events, bytes of payload."""
    blocks = {}
    for path in sorted(directory.rglob("*.avro")):
        with path.open("rb") as segment:
            for entry in fastavro.reader(segment):
                record = entry["record"]
                if isinstance(record, dict) and "block_id" in record:
                    block_id = str(uuid.UUID(bytes=record["block_id"]))
                    # A block that was sent twice is there twice; SQL shows it once.
                    blocks[block_id] = (record["kind"], record["sequence"], record["event_count"], len(record["payload"]))
    return blocks


def blocks_in_sql(uri: str) -> dict:
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT block_id, kind, sequence, event_count, payload_bytes FROM blocks")
        return {block_id: tuple(rest) for block_id, *rest in cursor.fetchall()}


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    # SQL first: what it knows is in the segments already.
    known = blocks_in_sql(sys.argv[2])
    found = blocks_in_segments(pathlib.Path(sys.argv[1]))
    wrong = [block_id for block_id, block in known.items() if found.get(block_id) != block]
    for block_id in wrong[:10]:
        print(f"block {block_id}: SQL says {known[block_id]}, the segments {found.get(block_id)}", file=sys.stderr)
    print(f"{len(known) - len(wrong)} of {len(known)} blocks are in the segments as SQL says")
    return 1 if wrong or not known else 0


if __name__ == "__main__":
    sys.exit(main())
