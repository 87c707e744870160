-- Keys of persons, each wrapped by the master key. In a database of its own, because it is never restored backwards.

-- A known text sealed with the master key: a wrong master key is noticed at start, instead of taking everybody for erased.
CREATE TABLE master_check (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE person_keys (
    person     INTEGER PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

-- The erasure ledger: whose key was destroyed. Those persons never get a key again.
CREATE TABLE destroyed_keys (
    person       INTEGER PRIMARY KEY,
    destroyed_at TEXT NOT NULL
) STRICT;

CREATE TRIGGER destroyed_keys_do_not_return
BEFORE INSERT ON person_keys
WHEN EXISTS (SELECT 1 FROM destroyed_keys WHERE person = NEW.person)
BEGIN
    SELECT RAISE(ABORT, 'the key of this person was destroyed');
END;
