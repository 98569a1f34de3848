-- Whether blocks of a stream name its thread differently: 1 also for streams from before this was watched.
ALTER TABLE streams ADD COLUMN renamed BIGINT NOT NULL DEFAULT 1;
