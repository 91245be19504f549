-- One row: how far the access feed has come, and the number of the last order to a breaker.
CREATE TABLE feed_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL,
    reset_order BIGINT NOT NULL
);
INSERT INTO feed_head (id, revision, reset_order) VALUES (1, 0, 0);

CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    suspended BOOLEAN NOT NULL
);
INSERT INTO tenants (id, suspended) VALUES ('default', FALSE);

CREATE TABLE roles (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- JSON array of names, sorted.
    permissions TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    etag TEXT NOT NULL,
    -- The deletion in hand, and when it lapses.
    deleting_id BLOB,
    deleting_until TEXT,
    PRIMARY KEY (tenant, name)
);

-- Grants that are on their way to auth: while one has not lapsed its role cannot be deleted.
CREATE TABLE grant_leases (
    id BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    role TEXT NOT NULL,
    until TEXT NOT NULL
);
CREATE INDEX grant_leases_by_role ON grant_leases (tenant, role);

-- The newest order to each breaker; old ones are dropped.
CREATE TABLE breaker_resets (
    breaker TEXT PRIMARY KEY,
    reset_order BIGINT NOT NULL,
    time TEXT NOT NULL
);

-- How far the log reaches for each producer's store.
CREATE TABLE audit_heads (
    producer TEXT NOT NULL,
    epoch TEXT NOT NULL,
    -- Where the log began; above 1 there is an event `audit.gap` that says so.
    first_sequence BIGINT NOT NULL,
    next_sequence BIGINT NOT NULL,
    -- Epoch of this store when it last wrote here. Under another one this store was restored: then events may be lost for
    -- good, and the log goes on after a gap that it records.
    written_under TEXT NOT NULL,
    PRIMARY KEY (producer, epoch)
);

CREATE TABLE audit_events (
    producer TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    id TEXT NOT NULL,
    time TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    address TEXT NOT NULL,
    session TEXT NOT NULL,
    -- JSON object.
    details TEXT NOT NULL,
    -- For the hash chain, which is not written yet: the personal fields (actor, target, address, details) sealed under the
    -- key of `sealed_key_id`, one key for each subject, so that erasing a person destroys a key and the chain, which commits
    -- to the sealed bytes, still verifies; then the hash of the event before and of this one, chained within (producer, epoch).
    sealed BLOB,
    sealed_key_id TEXT,
    prev_hash BLOB,
    hash BLOB,
    PRIMARY KEY (producer, epoch, sequence)
);
-- The order of the pages; each tenant reads its own.
CREATE INDEX audit_events_by_time ON audit_events (tenant, time, producer, epoch, sequence);
