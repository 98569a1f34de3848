"""A stock Avro reader reads a segment: python check_segment.py SEGMENT PROCESS_ID"""

import sys
import uuid

import fastavro


def main(path: str, process_id: str) -> None:
    blocks = 0
    with open(path, "rb") as file:
        for entry in fastavro.reader(file):
            record = entry["record"]
            if not isinstance(record, dict) or "block_id" not in record:
                continue
            blocks += 1
            assert isinstance(entry["offset"], int) and entry["offset"] >= 0, entry["offset"]
            assert record["event_count"] > 0 or record["ordinal_count"] >= 0
            assert len(record["payload"]) > 0
            assert uuid.UUID(bytes=record["process_id"]), record["process_id"]
            assert entry["key"].decode() == str(uuid.UUID(bytes=record["process_id"]))
    assert blocks > 0, f"no block in {path}"
    print(f"{blocks} blocks read by fastavro {fastavro.__version__}; looked for {process_id}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
