-- Dependencies: archives that are merged into the code of functions.

-- last_version only goes up, so that no number is used twice.
CREATE TABLE dependencies (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    dep_id       TEXT    NOT NULL UNIQUE,
    project      TEXT    NOT NULL REFERENCES projects (id),
    name         TEXT    NOT NULL,
    last_version INTEGER NOT NULL,
    UNIQUE (project, name)
) STRICT;

CREATE TABLE dependency_versions (
    id            TEXT    NOT NULL PRIMARY KEY,
    dependency    INTEGER NOT NULL REFERENCES dependencies (id),
    version       INTEGER NOT NULL,
    runtime       TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    size          INTEGER NOT NULL,
    digest        TEXT    NOT NULL,
    last_modified INTEGER NOT NULL, -- microseconds since 1970
    UNIQUE (dependency, version)
) STRICT, WITHOUT ROWID;

-- What is attached to a version of a function, later positions winning over earlier ones.
-- A dependency in use cannot be deleted: the reference holds it.
CREATE TABLE function_dependencies (
    function         INTEGER NOT NULL,
    function_version TEXT    NOT NULL,
    position         INTEGER NOT NULL,
    dependency       TEXT    NOT NULL REFERENCES dependency_versions (id),
    PRIMARY KEY (function, function_version, position),
    FOREIGN KEY (function, function_version) REFERENCES function_versions (function, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX function_dependencies_by_dependency ON function_dependencies (dependency);

-- The folder that code and dependencies were merged into; NULL without dependencies.
ALTER TABLE function_versions ADD COLUMN merged_digest TEXT;
