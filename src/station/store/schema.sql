-- The store, version 1. Every table is STRICT; the record can only grow.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE job (
    number   INTEGER PRIMARY KEY,          -- 1, 2, 3, …; the code is made from it
    code     TEXT NOT NULL UNIQUE,         -- K7-2043
    state    TEXT NOT NULL,
    source   TEXT NOT NULL,                -- name in the drop folder; emptied once the drop is taken
    reason   TEXT NOT NULL DEFAULT '',
    next     TEXT NOT NULL DEFAULT '',     -- what to do about it
    design   TEXT,                         -- DesignSummary, JSON
    deaths   INTEGER NOT NULL DEFAULT 0,   -- of the designer, since received or retried
    restarts INTEGER NOT NULL DEFAULT 0,   -- of the station while it was read or designed
    operator TEXT NOT NULL DEFAULT '',     -- who released
    spool    TEXT NOT NULL DEFAULT '',
    received TEXT NOT NULL,
    changed  TEXT NOT NULL
) STRICT;
CREATE INDEX job_state ON job (state);
-- There is one printer: the database itself refuses a second print.
CREATE UNIQUE INDEX one_print ON job ((1)) WHERE state IN ('printing', 'paused');

CREATE TABLE finding (
    code TEXT NOT NULL REFERENCES job (code),
    n    INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (code, n)
) STRICT;

CREATE TABLE event (
    seq   INTEGER PRIMARY KEY,
    at    TEXT NOT NULL,
    actor TEXT NOT NULL,                   -- an operator, 'station', 'designer' or 'link'
    code  TEXT NOT NULL,                   -- '' when it is about no job
    kind  TEXT NOT NULL,
    body  TEXT NOT NULL,                   -- JSON
    hash  BLOB NOT NULL                    -- SHA-256 of the hash before and of this row
) STRICT;
CREATE INDEX event_code ON event (code);
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the record is only appended to'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the record is only appended to'); END;

CREATE TABLE operator (
    name  TEXT PRIMARY KEY,
    hash  TEXT NOT NULL,                   -- Argon2id, PHC string
    added TEXT NOT NULL
) STRICT;

-- Wrong PINs, by the name that was typed (or '?' for all names nobody has), so that a restart resets nothing.
CREATE TABLE lockout (
    name    TEXT PRIMARY KEY,
    wrong   INTEGER NOT NULL,
    until_s INTEGER NOT NULL               -- Unix seconds; 0 when not locked
) STRICT;
