-- The fingerprint of the Avro schema that a segment's blocks are written in; NULL where it has none, and in segments of the first schema from before this
-- was kept.
ALTER TABLE segments ADD COLUMN block_schema BIGINT;
