-- Triggers: what calls a version or alias of a function.

-- AUTOINCREMENT: an id is never used twice, so a page of a list goes on after the last id of the one before.
CREATE TABLE triggers (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    trigger_id  TEXT    NOT NULL UNIQUE,
    function    INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    qualifier   TEXT    NOT NULL, -- 'latest', a version's name, or an alias with '!' before it
    kind        TEXT    NOT NULL, -- the API's trigger_type_code
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    data        TEXT    NOT NULL, -- JSON object with the API's field names
    secrets     TEXT    NOT NULL, -- sealed JSON object of texts; empty where there are none
    created     INTEGER NOT NULL, -- microseconds since 1970, like the other two
    updated     INTEGER NOT NULL,
    counts_from INTEGER NOT NULL
) STRICT;

CREATE INDEX triggers_of_function ON triggers (function, qualifier);
CREATE INDEX triggers_of_kind ON triggers (kind);
