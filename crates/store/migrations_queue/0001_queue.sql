-- The asynchronous queue. Times are microseconds since 1970; `seq` is the time of acceptance in milliseconds << 12 and a counter.

-- Functions that were called. `waiting`, `bytes`, `records` and the counts of ends change in the commit that changes what they count.
CREATE TABLE functions (
    id INTEGER PRIMARY KEY,
    func_id TEXT NOT NULL UNIQUE,
    domain TEXT NOT NULL,
    project TEXT NOT NULL,
    package TEXT NOT NULL,
    name TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A call from its acceptance to its end, running or not.
CREATE TABLE waiting (
    seq INTEGER PRIMARY KEY,
    tail INTEGER NOT NULL,          -- the random bits of its id
    function INTEGER NOT NULL,
    no INTEGER NOT NULL,            -- number among those of its function, in the order of seq
    qualifier TEXT NOT NULL,
    version TEXT NOT NULL,
    alias TEXT,
    memory_mb INTEGER,
    accepted INTEGER NOT NULL,      -- by the clock on the wall
    clock INTEGER NOT NULL,         -- the same moment by the queue's clock
    due INTEGER NOT NULL DEFAULT 0, -- by the queue's clock; 0 while it waits for its first attempt, and while it runs
    begun INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,  -- attempts that count
    deaths INTEGER NOT NULL DEFAULT 0,  -- how many servers in a row died while it ran
    last_code INTEGER NOT NULL DEFAULT 0,
    last_message TEXT NOT NULL DEFAULT '',
    first_start INTEGER,
    parent INTEGER,                 -- the call whose destination it is, with the tail of that one's id
    parent_tail INTEGER,
    hops INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX waiting_function ON waiting (function, seq);
CREATE INDEX waiting_no ON waiting (function, no);
CREATE INDEX waiting_due ON waiting (due, function) WHERE due > 0;
CREATE INDEX waiting_running ON waiting (function) WHERE begun > 0 AND due = 0;
CREATE INDEX waiting_parent ON waiting (parent) WHERE parent IS NOT NULL;

-- Records of calls that have ended.
CREATE TABLE ended (
    seq INTEGER PRIMARY KEY,
    tail INTEGER NOT NULL,
    function INTEGER NOT NULL,
    no INTEGER NOT NULL,
    status INTEGER NOT NULL,        -- 1 SUCCESS, 2 FAIL, 3 DISCARD
    code INTEGER NOT NULL,
    message TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    version TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER NOT NULL,
    begun INTEGER NOT NULL,
    parent INTEGER,
    parent_tail INTEGER
) STRICT;
CREATE INDEX ended_status ON ended (function, status, seq);
CREATE INDEX ended_no ON ended (function, no);
CREATE INDEX ended_parent ON ended (parent) WHERE parent IS NOT NULL;

-- Messages that are owed to destinations which are no functions.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    call INTEGER NOT NULL,
    call_tail INTEGER NOT NULL,
    function INTEGER NOT NULL,
    kind TEXT NOT NULL,
    param TEXT NOT NULL,
    payload BLOB NOT NULL,
    created INTEGER NOT NULL,
    due INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX notices_due ON notices (kind, due);
CREATE INDEX notices_function ON notices (function);

-- Events of functions that ask for it, sealed. `size` is that of the sealed text.
CREATE TABLE recorded (
    request BLOB PRIMARY KEY,       -- the 16 bytes of its id
    func_id TEXT NOT NULL,
    project TEXT NOT NULL,
    package TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    created INTEGER NOT NULL,       -- by the clock on the wall
    size INTEGER NOT NULL,
    sealed TEXT NOT NULL
) STRICT;
CREATE INDEX recorded_created ON recorded (created, size);
CREATE INDEX recorded_function ON recorded (func_id);
