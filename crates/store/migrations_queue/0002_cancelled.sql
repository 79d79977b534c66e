-- That a call was cancelled outlives the server that was told so; and an event is kept with what it came by.

-- 0: no; 1: while it waited; 2: while it ran. Its end is not on disk yet.
ALTER TABLE waiting ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX waiting_cancelled ON waiting (seq) WHERE cancelled > 0;

ALTER TABLE recorded ADD COLUMN alias TEXT;
ALTER TABLE recorded ADD COLUMN memory_mb INTEGER;
