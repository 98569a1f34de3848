-- Where blocks stood that retention took out: what is complete for a range may not reach over one of these.
CREATE TABLE expired_ranges (
    incarnation INTEGER NOT NULL,
    partition_number INTEGER NOT NULL,
    from_offset INTEGER NOT NULL,
    to_offset INTEGER NOT NULL,
    PRIMARY KEY (incarnation, partition_number, from_offset)
) STRICT;
