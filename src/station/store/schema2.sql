-- From version 1 to 2: roles, a second person, acts by their id, what lies on the bed, what was put away.
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
