-- What waits for its first attempt, and what waits for another one: who reads the one does not pass over a million of the other.
DROP INDEX waiting_function;
CREATE INDEX waiting_fresh ON waiting (function, seq) WHERE due = 0;
CREATE INDEX waiting_delayed ON waiting (function, seq) WHERE due > 0;

-- Whose message it is: projects take turns at being delivered.
ALTER TABLE notices ADD COLUMN project TEXT NOT NULL DEFAULT '';
UPDATE notices SET project = coalesce((SELECT project FROM functions WHERE id = notices.function), '');
CREATE INDEX notices_turns ON notices (kind, project, due);

-- Bytes of the events that are kept of each function, so that nobody has to count them.
CREATE TABLE recorded_sizes (
    func_id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO recorded_sizes SELECT func_id, max(project), sum(size) FROM recorded GROUP BY func_id;
DROP INDEX recorded_function;
CREATE INDEX recorded_function ON recorded (func_id, created);
CREATE TRIGGER recorded_comes AFTER INSERT ON recorded BEGIN
    INSERT INTO recorded_sizes VALUES (NEW.func_id, NEW.project, NEW.size)
    ON CONFLICT (func_id) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER recorded_goes AFTER DELETE ON recorded BEGIN
    UPDATE recorded_sizes SET bytes = bytes - OLD.size WHERE func_id = OLD.func_id;
    DELETE FROM recorded_sizes WHERE func_id = OLD.func_id AND bytes <= 0;
END;
