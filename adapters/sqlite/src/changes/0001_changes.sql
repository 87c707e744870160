-- What happened to the rows of captured tables. AUTOINCREMENT: a number never returns, also after the newest are pruned.
CREATE TABLE changes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    op         TEXT NOT NULL CHECK (op IN ('c', 'u', 'd', 'r')),
    key        TEXT NOT NULL,
    row_before TEXT,
    row_after  TEXT,
    at         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
) STRICT;

-- Serves erasing a row's past.
CREATE INDEX changes_by_key ON changes (table_name, key);

-- A row before an update that the table's own trigger follows up with another; empty between statements.
CREATE TABLE changes_before (
    table_name TEXT NOT NULL,
    key        TEXT NOT NULL,
    row_before TEXT NOT NULL,
    PRIMARY KEY (table_name, key)
) WITHOUT ROWID, STRICT;

-- One row.
CREATE TABLE changes_log (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    epoch          TEXT NOT NULL,
    pruned_through INTEGER NOT NULL
) STRICT;

-- The triggers that a table was left with, to notice when they were taken away.
CREATE TABLE changes_tables (
    name     TEXT PRIMARY KEY,
    triggers TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE changes_consumers (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
) WITHOUT ROWID, STRICT;
