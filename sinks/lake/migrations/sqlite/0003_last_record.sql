-- A mark of the record before next_offset, by which a log that was rolled back is known; NULL where none was read there.
ALTER TABLE sink_progress ADD COLUMN last_record INTEGER;
