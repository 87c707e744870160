-- The brief's tables, made right for SQLite. Times are RFC 3339 in UTC with six digits after the second, always the same
-- width, so that they sort as text.

CREATE TABLE users (
    -- AUTOINCREMENT: the id of a deleted user never returns, so a delete beats everything of its key in every copy.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Kept trimmed and in lower case, so that UNIQUE sees through spelling.
    email         TEXT NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 255),
    username      TEXT NOT NULL COLLATE NOCASE UNIQUE CHECK (length(username) BETWEEN 3 AND 100),
    -- Never leaves this table: not into events, views, logs or copies.
    password_hash TEXT NOT NULL CHECK (length(password_hash) <= 255),
    profile       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(profile) AND json_type(profile) = 'object'),
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    updated_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    version       INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1)
) STRICT;

-- The version is the store's: whoever changes a row, by whatever program, raises it by one. A writer may leave it alone or
-- raise it by one itself; anything else is refused.
CREATE TRIGGER users_version_is_kept_by_the_store
BEFORE UPDATE OF version ON users
WHEN NEW.version NOT IN (OLD.version, OLD.version + 1)
BEGIN
    SELECT RAISE(ABORT, 'users.version is kept by the store');
END;

CREATE TRIGGER users_id_stays
BEFORE UPDATE OF id ON users
WHEN NEW.id IS NOT OLD.id
BEGIN
    SELECT RAISE(ABORT, 'users.id never changes');
END;

-- The update inside does not fire this again: there NEW.version is OLD.version + 1, also with recursive_triggers = ON.
CREATE TRIGGER users_every_writer_counts
AFTER UPDATE ON users
WHEN NEW.version = OLD.version
BEGIN
    UPDATE users
    SET version    = OLD.version + 1,
        updated_at = CASE
            WHEN NEW.updated_at = OLD.updated_at THEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
            ELSE NEW.updated_at
        END
    WHERE id = NEW.id;
END;

CREATE TABLE user_events (
    -- The order in which they happened; ids are unique but a clock may be set back.
    sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
    -- No foreign key: that something happened is kept when the user is erased.
    user_id        INTEGER NOT NULL,
    event_type     TEXT NOT NULL CHECK (length(event_type) <= 100),
    schema_version INTEGER NOT NULL DEFAULT 1 CHECK (schema_version >= 1),
    -- Personal fields in it are sealed with the user's key.
    event_data     TEXT NOT NULL CHECK (json_valid(event_data)),
    metadata       TEXT NOT NULL CHECK (json_valid(metadata)),
    created_at     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
) STRICT;

-- Serves the events of a user in order, and the counting of the view below.
CREATE INDEX idx_user_events_user_id ON user_events (user_id, sequence);
CREATE INDEX idx_user_events_type ON user_events (event_type);
CREATE INDEX idx_user_events_created_at ON user_events (created_at);

-- The brief's materialised view, as a plain one: it is never behind. Subqueries instead of GROUP BY, so that asking for one
-- user reads that user only.
CREATE VIEW user_profiles AS
SELECT
    u.id,
    u.username,
    u.email,
    u.profile ->> '$.firstName' AS first_name,
    u.profile ->> '$.lastName'  AS last_name,
    u.profile ->> '$.avatar'    AS avatar_url,
    (SELECT count(*) FROM user_events AS e WHERE e.user_id = u.id) AS total_events,
    (SELECT e.created_at FROM user_events AS e WHERE e.user_id = u.id ORDER BY e.sequence DESC LIMIT 1) AS last_activity
FROM users AS u;
