-- Reserved instances, one row for each version or alias that has some.

CREATE TABLE reservations (
    function  INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    qualifier TEXT    NOT NULL, -- 'latest', a version's name, or an alias with '!' before it
    count     INTEGER NOT NULL CHECK (count >= 0),
    idle_mode INTEGER NOT NULL CHECK (idle_mode IN (0, 1)),
    tactics   TEXT    NOT NULL, -- JSON object with the API's field names
    PRIMARY KEY (function, qualifier)
) STRICT, WITHOUT ROWID;
