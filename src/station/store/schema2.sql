-- From version 1 to 2: roles, a second person, acts by their id, what lies on the bed, what was put away; scans that come
-- in pieces. From now on a job's `source` is the tag of its name in the drop folder (a keyed hash), not the name.
ALTER TABLE operator ADD COLUMN role TEXT NOT NULL DEFAULT 'operator';
ALTER TABLE job ADD COLUMN second TEXT NOT NULL DEFAULT '';      -- who released with the operator
ALTER TABLE job ADD COLUMN on_bed INTEGER NOT NULL DEFAULT 0;    -- 1: its part lies on the bed as far as is known
ALTER TABLE job ADD COLUMN away_by TEXT NOT NULL DEFAULT '';     -- who put it away; '': on the list
ALTER TABLE job ADD COLUMN away_at TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN away_rule TEXT NOT NULL DEFAULT '';   -- the rule that did, '' for a person

-- What became of the acts that came with an id, so that a repeat is answered like the first.
CREATE TABLE act (
    n       INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    digest  TEXT NOT NULL,                 -- SHA-256 of the act without its PINs, hex
    outcome TEXT NOT NULL                  -- '' done, otherwise the refusal, JSON
) STRICT;

-- Wrong PINs since the last right one, by name. No time: the delays live in the station's monotonic clock.
CREATE TABLE guess (
    name  TEXT PRIMARY KEY,                -- in its canonical form
    wrong INTEGER NOT NULL
) STRICT;
DROP TABLE lockout;

-- Stores of version 1 may have it beside their own tables.
CREATE TABLE IF NOT EXISTS study (
    code TEXT PRIMARY KEY REFERENCES job (code),
    hash TEXT NOT NULL                     -- of the sorted hashes of its files
) STRICT;
CREATE INDEX IF NOT EXISTS study_hash ON study (hash);

-- Which case holds which series.
CREATE TABLE series (
    key  TEXT NOT NULL,                    -- keyed hash of person and series
    code TEXT NOT NULL REFERENCES job (code),
    PRIMARY KEY (key, code)
) STRICT;

-- Pieces of a case from the second on; the first is the job's own source.
CREATE TABLE piece (
    code   TEXT NOT NULL REFERENCES job (code),
    n      INTEGER NOT NULL,
    source TEXT NOT NULL,                  -- tag of its name in the drop folder; emptied once it is taken
    PRIMARY KEY (code, n)
) STRICT;

-- A case made of an earlier one with the same series, which was released or given up.
CREATE TABLE follows (
    code  TEXT PRIMARY KEY REFERENCES job (code),
    first TEXT NOT NULL REFERENCES job (code)
) STRICT;

-- What the files of a case looked like when its last design began.
CREATE TABLE input (
    code  TEXT PRIMARY KEY REFERENCES job (code),
    print INTEGER NOT NULL                 -- of names, sizes and times
) STRICT;

-- Drops that were copied and could not be removed.
CREATE TABLE left_over (
    print INTEGER PRIMARY KEY
) STRICT;
