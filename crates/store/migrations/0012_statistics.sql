-- What calls came to, in minutes, for statistics; and the order in which instances were reserved.

-- One row for each version, and for each alias by itself, of a function and minute in which it had something to do. A call by an alias
-- is in two of them: that of the version, and that of the alias, which begins with '!'.
-- Ordered by time within a function, so that a look at its last hours reads what lies together.
CREATE TABLE function_tallies (
    function        INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    minute          INTEGER NOT NULL, -- since 1970
    qualifier       TEXT    NOT NULL, -- 'latest', a version's name, or an alias with '!' before it
    calls           INTEGER NOT NULL, -- all, refused ones included
    refused         INTEGER NOT NULL,
    function_errors INTEGER NOT NULL,
    system_errors   INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL, -- of all that ran, together
    shortest_us     INTEGER,          -- NULL where none ran
    longest_us      INTEGER NOT NULL,
    running         INTEGER NOT NULL, -- most at once, like the other two
    instances       INTEGER NOT NULL, -- beyond the reserved
    reserved        INTEGER NOT NULL,
    PRIMARY KEY (function, minute, qualifier)
) STRICT, WITHOUT ROWID;

-- The oldest go first.
CREATE INDEX function_tallies_by_age ON function_tallies (minute);

-- Failed calls by the hour, of all versions together. Lists of functions show those of a day: a row for each hour with failures is all
-- that a list has to read of a function.
CREATE TABLE function_failures (
    function INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    hour     INTEGER NOT NULL, -- since 1970
    failures INTEGER NOT NULL,
    PRIMARY KEY (function, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX function_failures_by_age ON function_failures (hour);

-- The same of all functions of a project together, those that were deleted since included.
CREATE TABLE project_tallies (
    project         TEXT    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    minute          INTEGER NOT NULL,
    calls           INTEGER NOT NULL,
    refused         INTEGER NOT NULL,
    function_errors INTEGER NOT NULL,
    system_errors   INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    shortest_us     INTEGER,
    longest_us      INTEGER NOT NULL,
    running         INTEGER NOT NULL,
    instances       INTEGER NOT NULL,
    reserved        INTEGER NOT NULL,
    PRIMARY KEY (project, minute)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_tallies_by_age ON project_tallies (minute);

-- What a project used in a month (UTC).
CREATE TABLE project_months (
    project TEXT    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    month   INTEGER NOT NULL, -- year * 12 + month - 1
    calls   INTEGER NOT NULL,
    mb_ms   INTEGER NOT NULL, -- memory in MB by billed milliseconds
    PRIMARY KEY (project, month)
) STRICT, WITHOUT ROWID;

-- Reservations are listed in the order in which they were made, so that a new one moves no other.
CREATE TABLE reservations_in_order (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    function  INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    qualifier TEXT    NOT NULL, -- 'latest', a version's name, or an alias with '!' before it
    count     INTEGER NOT NULL CHECK (count >= 0),
    idle_mode INTEGER NOT NULL CHECK (idle_mode IN (0, 1)),
    tactics   TEXT    NOT NULL, -- JSON object with the API's field names
    UNIQUE (function, qualifier)
) STRICT;
INSERT INTO reservations_in_order (function, qualifier, count, idle_mode, tactics)
    SELECT function, qualifier, count, idle_mode, tactics FROM reservations ORDER BY function, qualifier;
DROP TABLE reservations;
ALTER TABLE reservations_in_order RENAME TO reservations;
