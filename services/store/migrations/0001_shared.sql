-- What every store has: facts of the file itself, and the audit records that wait to be delivered.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE outbox (
    seq   BIGINT NOT NULL PRIMARY KEY,
    event BLOB   NOT NULL
);

-- One row: the sequence that the next record gets. Rows leave `outbox`, so that cannot tell.
CREATE TABLE outbox_head (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    next_seq BIGINT NOT NULL
);
INSERT INTO outbox_head (only_row, next_seq) VALUES (1, 1);
