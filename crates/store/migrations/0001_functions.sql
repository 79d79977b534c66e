-- Accounts, projects and keys; functions and their versions.
-- A migration that was released never changes: a later one corrects it.

CREATE TABLE domains (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- functions and code_bytes are kept in step by the same transaction that changes a function,
-- so that a quota check does not count 100,000 rows.
CREATE TABLE projects (
    id         TEXT    NOT NULL PRIMARY KEY,
    domain     TEXT    NOT NULL REFERENCES domains (id),
    functions  INTEGER NOT NULL DEFAULT 0 CHECK (functions >= 0),
    code_bytes INTEGER NOT NULL DEFAULT 0 CHECK (code_bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_keys (
    access TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    domain TEXT NOT NULL REFERENCES domains (id)
) STRICT, WITHOUT ROWID;

-- position 0 is the project that a placeholder project means.
CREATE TABLE access_key_projects (
    access   TEXT    NOT NULL REFERENCES access_keys (access) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    project  TEXT    NOT NULL REFERENCES projects (id),
    PRIMARY KEY (access, position)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: an id is never used twice, so the order of ids is the order of creation.
CREATE TABLE functions (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    func_id TEXT    NOT NULL UNIQUE,
    project TEXT    NOT NULL REFERENCES projects (id),
    package TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    UNIQUE (project, package, name)
) STRICT;

-- Both hold the name, so that a search for a part of it never leaves the index.
CREATE INDEX functions_of_project ON functions (project, id, name);
CREATE INDEX functions_of_package ON functions (project, package, id, name);

-- 'latest' and, later, published versions. Aliases and layers will point at (function, version).
CREATE TABLE function_versions (
    function              INTEGER NOT NULL REFERENCES functions (id),
    version               TEXT    NOT NULL,
    runtime               TEXT    NOT NULL,
    handler               TEXT    NOT NULL,
    timeout_s             INTEGER NOT NULL,
    memory_mb             INTEGER NOT NULL,
    tmp_mb                INTEGER NOT NULL,
    initializer_handler   TEXT,
    initializer_timeout_s INTEGER,
    pre_stop_handler      TEXT,
    pre_stop_timeout_s    INTEGER,
    user_data             TEXT    NOT NULL, -- JSON object of texts
    encrypted_user_data   TEXT    NOT NULL, -- JSON object of texts
    concurrency           INTEGER NOT NULL,
    concurrent_num        INTEGER NOT NULL,
    description           TEXT    NOT NULL,
    dynamic_memory        INTEGER NOT NULL CHECK (dynamic_memory IN (0, 1)),
    passive               TEXT    NOT NULL, -- JSON object with the API's field names
    code_type             TEXT    NOT NULL,
    code_filename         TEXT    NOT NULL,
    code_size             INTEGER NOT NULL,
    code_digest           TEXT    NOT NULL,
    revision              INTEGER NOT NULL,
    last_modified         INTEGER NOT NULL, -- microseconds since 1970
    PRIMARY KEY (function, version)
) STRICT;

CREATE INDEX function_versions_by_digest ON function_versions (code_digest);
