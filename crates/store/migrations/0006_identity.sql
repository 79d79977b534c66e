-- Users, what they may do where, and their keys. Until now a key belonged to a domain and to some of its projects.
-- Texts that begin with 'box1:' are sealed with the key of the data folder's secrets.key; what is here from before is sealed at the
-- next start (sqlite/seal.rs), which SQL cannot do.

ALTER TABLE domains ADD COLUMN name TEXT NOT NULL DEFAULT 'default';

-- NULL is the project that is named after the region.
ALTER TABLE projects ADD COLUMN name TEXT;
ALTER TABLE projects ADD COLUMN created INTEGER NOT NULL DEFAULT 0; -- microseconds since 1970
CREATE UNIQUE INDEX projects_by_name ON projects (domain, name);

CREATE TABLE users (
    id         TEXT    NOT NULL PRIMARY KEY,
    domain     TEXT    NOT NULL REFERENCES domains (id),
    name       TEXT    NOT NULL,
    password   TEXT,             -- PHC form
    generation INTEGER NOT NULL, -- goes up when tokens must not count any more
    created    INTEGER NOT NULL, -- microseconds since 1970
    UNIQUE (domain, name)
) STRICT, WITHOUT ROWID;

-- project NULL: every project of the domain.
CREATE TABLE grants (
    user    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project TEXT REFERENCES projects (id) ON DELETE CASCADE,
    role    TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX grants_once ON grants (user, coalesce(project, ''), role);
CREATE INDEX grants_by_project ON grants (project);

-- Who had a key decided about everything.
INSERT INTO users (id, domain, name, generation, created)
    SELECT lower(hex(randomblob(16))), id, 'administrator', 1, 0 FROM domains;
INSERT INTO grants (user, project, role) SELECT id, NULL, 'admin' FROM users;

DROP TABLE access_key_projects;
ALTER TABLE access_keys RENAME TO access_keys_before;
CREATE TABLE access_keys (
    access  TEXT    NOT NULL PRIMARY KEY,
    secret  TEXT    NOT NULL, -- sealed
    user    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created INTEGER NOT NULL, -- microseconds since 1970
    rotated INTEGER NOT NULL  -- microseconds since 1970
) STRICT, WITHOUT ROWID;
INSERT INTO access_keys (access, secret, user, enabled, created, rotated)
    SELECT k.access, k.secret, u.id, 1, 0, 0 FROM access_keys_before k JOIN users u ON u.domain = k.domain;
DROP TABLE access_keys_before;
CREATE INDEX access_keys_by_user ON access_keys (user);

-- Tokens that were given back before their time; a row leaves when the token would have ended anyway.
CREATE TABLE revoked_tokens (
    id      TEXT    NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL -- seconds since 1970
) STRICT, WITHOUT ROWID;

-- One row: a known text, sealed. It tells the right key from a wrong one, and that all secrets are sealed.
CREATE TABLE seal (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    proof TEXT    NOT NULL
) STRICT;
