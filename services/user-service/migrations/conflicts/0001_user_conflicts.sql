-- What merges did not take. A component of its own beside `users`, in the same file, because a loser is recorded in the
-- transaction that makes it one.

CREATE TABLE user_conflicts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL,
    -- The user's version after the merge.
    version     INTEGER NOT NULL CHECK (version >= 1),
    -- Field, rule, both values and who wrote them: sealed with the user's key.
    loser       TEXT NOT NULL CHECK (json_valid(loser)),
    recorded_at TEXT NOT NULL,
    -- What a person chose in the end; all three or none.
    choice      TEXT CHECK (choice IN ('loser', 'standing')),
    settled_by  TEXT,
    settled_at  TEXT,
    CHECK ((choice IS NULL) = (settled_at IS NULL))
) STRICT;

CREATE INDEX idx_user_conflicts_user_id ON user_conflicts (user_id, id);

-- Whoever erases a user erases these.
CREATE TRIGGER user_conflicts_go_with_their_user
AFTER DELETE ON users
BEGIN
    DELETE FROM user_conflicts WHERE user_id = OLD.id;
END;
