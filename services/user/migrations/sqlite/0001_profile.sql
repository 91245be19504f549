CREATE TABLE profile (
    id                BLOB   NOT NULL PRIMARY KEY,
    tenant            TEXT   NOT NULL,
    display_name      TEXT   NOT NULL,
    given_name        TEXT   NOT NULL,
    family_name       TEXT   NOT NULL,
    phone             TEXT   NOT NULL,
    locale            TEXT   NOT NULL,
    -- The names in lower case, for the filter's `:`. The program folds them: SQLite knows ASCII only.
    display_name_fold TEXT   NOT NULL,
    given_name_fold   TEXT   NOT NULL,
    family_name_fold  TEXT   NOT NULL,
    labels            TEXT   NOT NULL,
    state             TEXT   NOT NULL CHECK (state IN ('pending', 'active', 'deleted')),
    create_time       TEXT   NOT NULL,
    update_time       TEXT   NOT NULL,
    delete_time       TEXT,
    revision          BIGINT NOT NULL
);
CREATE INDEX profile_by_create_time ON profile (tenant, create_time, id);
CREATE INDEX profile_by_update_time ON profile (tenant, update_time, id);
CREATE INDEX profile_by_display_name ON profile (tenant, display_name, id);
CREATE INDEX profile_pending ON profile (create_time) WHERE state = 'pending';

-- How a user is made: what a repeated call and the sweeper need to know. The email stands here only while the account is not
-- there yet; afterwards it is auth's alone.
CREATE TABLE creation (
    user_id    BLOB NOT NULL PRIMARY KEY REFERENCES profile (id) ON DELETE CASCADE,
    tenant     TEXT NOT NULL,
    request_id BLOB,
    body_hash  BLOB NOT NULL,
    email      TEXT,
    actor      TEXT NOT NULL,
    UNIQUE (tenant, request_id)
);
