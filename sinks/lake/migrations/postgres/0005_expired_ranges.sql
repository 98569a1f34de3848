-- Where blocks stood that retention took out: what is complete for a range may not reach over one of these.
CREATE TABLE expired_ranges (
    incarnation BIGINT NOT NULL,
    partition_number BIGINT NOT NULL,
    from_offset BIGINT NOT NULL,
    to_offset BIGINT NOT NULL,
    PRIMARY KEY (incarnation, partition_number, from_offset)
);
