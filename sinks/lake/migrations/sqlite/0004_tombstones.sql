-- When a doomed object was deleted; its key stays doomed for some days more, for commits that come late.
ALTER TABLE doomed_objects ADD COLUMN deleted INTEGER;
CREATE INDEX doomed_objects_by_deletion ON doomed_objects (deleted);
