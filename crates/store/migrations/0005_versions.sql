-- Published versions in the order of their publication, and aliases.

-- 0 is latest; each publication has a higher one than all that are there, so that a list can be gone on with whatever was
-- deleted meanwhile.
ALTER TABLE function_versions ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
-- What was said when it was published.
ALTER TABLE function_versions ADD COLUMN remark TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX function_versions_in_order ON function_versions (function, number);

-- An alias never points at a version that is not there: with its main version it goes, and its additional version stays.
-- A version is the main one of one alias at most.
CREATE TABLE aliases (
    id                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    function           INTEGER NOT NULL,
    name               TEXT    NOT NULL,
    version            TEXT    NOT NULL,
    additional_version TEXT, -- NULL where all calls go to version
    percent            INTEGER CHECK (percent BETWEEN 0 AND 100), -- NULL where rules decide
    rules              TEXT, -- JSON object with the API's field names; NULL where chance decides
    description        TEXT    NOT NULL,
    last_modified      INTEGER NOT NULL, -- microseconds since 1970
    UNIQUE (function, name),
    UNIQUE (function, version),
    CHECK ((additional_version IS NULL) = (percent IS NULL AND rules IS NULL)),
    CHECK (percent IS NULL OR rules IS NULL),
    FOREIGN KEY (function, version) REFERENCES function_versions (function, version) ON DELETE CASCADE,
    FOREIGN KEY (function, additional_version) REFERENCES function_versions (function, version)
) STRICT;

CREATE INDEX aliases_by_additional_version ON aliases (function, additional_version);
