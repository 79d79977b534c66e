-- Until when the times of timers have been looked at: one row, written before a firing that a later server could take for a missed one.
CREATE TABLE timers_looked (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    until INTEGER NOT NULL -- microseconds since 1970
) STRICT;

-- Rows leave in the order of their ends.
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires);

-- Whether free pages may still hold secrets from before they were sealed. Nobody knows of databases from before this column.
ALTER TABLE seal ADD COLUMN vacuum_owed INTEGER NOT NULL DEFAULT 1 CHECK (vacuum_owed IN (0, 1));
