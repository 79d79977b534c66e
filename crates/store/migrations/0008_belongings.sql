-- What belongs to a function beside its versions, and what is set for a whole project.

-- seq is the order of creation, in which they are listed.
CREATE TABLE test_events (
    seq           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    function      INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    name          TEXT    NOT NULL,
    content       BLOB    NOT NULL, -- JSON, as it was sent
    last_modified INTEGER NOT NULL, -- microseconds since 1970
    UNIQUE (function, name)
) STRICT;

CREATE TABLE function_tags (
    function INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    key      TEXT    NOT NULL,
    value    TEXT    NOT NULL,
    PRIMARY KEY (function, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE async_configs (
    function      INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    qualifier     TEXT    NOT NULL, -- 'latest', a version's name, or an alias with '!' before it
    max_age_s     INTEGER NOT NULL,
    max_retries   INTEGER NOT NULL,
    on_success    TEXT, -- JSON object with the API's field names
    on_failure    TEXT, -- the same
    status_log    INTEGER NOT NULL CHECK (status_log IN (0, 1)),
    log           TEXT    NOT NULL, -- JSON object with the API's field names
    created       INTEGER NOT NULL, -- microseconds since 1970
    last_modified INTEGER NOT NULL, -- microseconds since 1970
    PRIMARY KEY (function, qualifier)
) STRICT, WITHOUT ROWID;

CREATE TABLE tracing_keys (
    function INTEGER NOT NULL PRIMARY KEY REFERENCES functions (id) ON DELETE CASCADE,
    access   TEXT    NOT NULL,
    secret   TEXT    NOT NULL -- sealed
) STRICT, WITHOUT ROWID;

CREATE TABLE vpc_endpoints (
    project   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    vpc_id    TEXT NOT NULL,
    subnet_id TEXT NOT NULL,
    flavor    TEXT NOT NULL,
    xrole     TEXT NOT NULL,
    PRIMARY KEY (project, vpc_id, subnet_id)
) STRICT, WITHOUT ROWID;

-- kind: 'functions' for what functions print, 'async' for the states of asynchronous calls.
CREATE TABLE log_groups (
    project     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    kind        TEXT NOT NULL CHECK (kind IN ('functions', 'async')),
    group_id    TEXT NOT NULL,
    group_name  TEXT NOT NULL,
    stream_id   TEXT NOT NULL,
    stream_name TEXT NOT NULL,
    PRIMARY KEY (project, kind)
) STRICT, WITHOUT ROWID;

-- 0 for functions that somebody pinned, which stand first in lists; 1 for the others.
ALTER TABLE functions ADD COLUMN place INTEGER NOT NULL DEFAULT 1 CHECK (place IN (0, 1));

-- Lists are in the order of place and creation now.
DROP INDEX functions_of_project;
DROP INDEX functions_of_package;
CREATE INDEX functions_of_project ON functions (project, place, id, name);
CREATE INDEX functions_of_package ON functions (project, package, place, id, name);
