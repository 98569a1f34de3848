-- Topic ids and the small numbers they get.
CREATE TABLE incarnations (
    incarnation INTEGER PRIMARY KEY NOT NULL,
    topic TEXT NOT NULL,
    topic_id BLOB NOT NULL,
    UNIQUE (topic, topic_id)
) STRICT;

-- Numbers that must be dense: handed out under the lock of their row.
CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('incarnation', 0), ('outbox', 0);

-- How far each partition is in the lake.
CREATE TABLE sink_progress (
    incarnation INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition_number INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    last_segment TEXT NOT NULL,
    PRIMARY KEY (incarnation, partition_number)
) STRICT;

CREATE TABLE segments (
    segment_id INTEGER PRIMARY KEY NOT NULL,
    object_key TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    record_count INTEGER NOT NULL,
    max_time INTEGER,
    committed INTEGER NOT NULL
) STRICT;
CREATE INDEX segments_by_topic ON segments (topic, segment_id);

-- One row for the blocks of one process in one segment: what to prune by, and the packed entries.
CREATE TABLE block_index (
    segment_id INTEGER NOT NULL,
    process_id BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    partition_number INTEGER NOT NULL,
    topic TEXT NOT NULL,
    min_offset INTEGER NOT NULL,
    max_offset INTEGER NOT NULL,
    min_time INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (segment_id, process_id, incarnation, partition_number)
) STRICT;
CREATE INDEX block_index_by_process ON block_index (process_id, topic, max_time);
CREATE INDEX block_index_by_time ON block_index (topic, max_time);
CREATE INDEX block_index_by_position ON block_index (incarnation, partition_number, max_offset);

-- Every process that a record named; revision and record are NULL while only blocks of it came.
CREATE TABLE processes (
    process_id BLOB PRIMARY KEY NOT NULL,
    revision INTEGER,
    record BLOB
) STRICT;

-- Sums over a stream's visible blocks. A row whose kind is empty stands for a stream that only lost events so far.
CREATE TABLE streams (
    stream_id BLOB PRIMARY KEY NOT NULL,
    process_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    thread_name TEXT NOT NULL,
    thread_number INTEGER NOT NULL,
    block_count INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    next_ordinal INTEGER NOT NULL,
    dropped_events INTEGER NOT NULL,
    duplicate_blocks INTEGER NOT NULL,
    missing_blocks INTEGER NOT NULL,
    expired_below INTEGER NOT NULL,
    min_time INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    sequences BLOB NOT NULL,
    newest_sequence INTEGER NOT NULL,
    newest_segment INTEGER NOT NULL,
    newest BLOB NOT NULL
) STRICT;
CREATE INDEX streams_by_process ON streams (process_id, kind);

CREATE TABLE gaps (
    gap_id INTEGER PRIMARY KEY NOT NULL,
    incarnation INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition_number INTEGER NOT NULL,
    from_offset INTEGER NOT NULL,
    to_offset INTEGER NOT NULL,
    reason TEXT NOT NULL,
    found INTEGER NOT NULL
) STRICT;

-- What of a dead letter stays to be seen; its bytes leave through the outbox, and stand in the segment.
CREATE TABLE dead_letters (
    letter_id INTEGER PRIMARY KEY NOT NULL,
    incarnation INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition_number INTEGER NOT NULL,
    record_offset INTEGER NOT NULL,
    record_key TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    reason TEXT NOT NULL,
    found INTEGER NOT NULL
) STRICT;

-- Messages that must leave for a topic of the log, at least once, in the order of their dense numbers.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY NOT NULL,
    topic TEXT NOT NULL,
    message_key BLOB NOT NULL,
    value BLOB NOT NULL,
    headers BLOB NOT NULL
) STRICT;

CREATE TABLE view_scopes (
    view_name TEXT NOT NULL,
    version INTEGER NOT NULL,
    scope TEXT NOT NULL,
    counter INTEGER NOT NULL,
    PRIMARY KEY (view_name, version, scope)
) STRICT;

CREATE TABLE view_partitions (
    object_key TEXT PRIMARY KEY NOT NULL,
    view_name TEXT NOT NULL,
    version INTEGER NOT NULL,
    scope TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition_number INTEGER NOT NULL,
    from_offset INTEGER NOT NULL,
    to_offset INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    min_time INTEGER NOT NULL,
    max_time INTEGER NOT NULL
) STRICT;
CREATE INDEX view_partitions_by_scope ON view_partitions (view_name, version, scope);

-- No commit may name these keys; they are deleted once their grace is over.
CREATE TABLE doomed_objects (
    object_key TEXT PRIMARY KEY NOT NULL,
    doomed INTEGER NOT NULL
) STRICT;
CREATE INDEX doomed_objects_by_time ON doomed_objects (doomed);

CREATE TABLE leases (
    name TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
