-- Times are microseconds since 1970 (UTC): they compare the same in every database. Ids are UUIDs.

-- One counter orders everything that the access feed tells; whoever raises it holds its lock until the commit.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('revision', 1);
-- The longest life that an access token was ever given, in seconds: marks must outlive such tokens.
INSERT INTO counters (name, value) VALUES ('token_life', 0);

CREATE TABLE accounts (
    tenant        TEXT    NOT NULL,
    id            BLOB    NOT NULL UNIQUE,
    email         TEXT    NOT NULL,
    password      TEXT,
    -- Raised by whatever a login under way must not survive: password, state, roles.
    version       BIGINT  NOT NULL,
    disabled      BOOLEAN NOT NULL,
    -- Well-known password; see the demo module.
    demo          BOOLEAN NOT NULL,
    create_time   BIGINT  NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, email)
);

CREATE TABLE account_roles (
    tenant  TEXT NOT NULL,
    account BLOB NOT NULL,
    role    TEXT NOT NULL,
    PRIMARY KEY (tenant, account, role),
    FOREIGN KEY (tenant, account) REFERENCES accounts (tenant, id) ON DELETE CASCADE
);
CREATE INDEX account_roles_by_role ON account_roles (tenant, role);

-- A session and its refresh family are one row: a refresh changes one row by compare-and-swap of `generation`.
CREATE TABLE sessions (
    tenant       TEXT   NOT NULL,
    id           BLOB   NOT NULL UNIQUE,
    account      BLOB   NOT NULL,
    family       BLOB   NOT NULL UNIQUE,
    generation   BIGINT NOT NULL,
    -- JSON: the generations retired within the grace, and when.
    retired      TEXT   NOT NULL,
    create_time  BIGINT NOT NULL,
    refresh_time BIGINT NOT NULL,
    -- Slides with every refresh, never past end_time.
    expire_time  BIGINT NOT NULL,
    end_time     BIGINT NOT NULL,
    address      TEXT,
    user_agent   TEXT,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, account) REFERENCES accounts (tenant, id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_account ON sessions (tenant, account, id);
CREATE INDEX sessions_by_expiry ON sessions (expire_time);

-- Single-use codes, hashed; an account has one at most.
CREATE TABLE codes (
    tenant      TEXT   NOT NULL,
    account     BLOB   NOT NULL,
    hash        BLOB   NOT NULL UNIQUE,
    expire_time BIGINT NOT NULL,
    PRIMARY KEY (tenant, account),
    FOREIGN KEY (tenant, account) REFERENCES accounts (tenant, id) ON DELETE CASCADE
);
CREATE INDEX codes_by_expiry ON codes (expire_time);

-- Marks that make older tokens of a target void. `tenant` is empty for marks of everyone.
CREATE TABLE revocations (
    tenant      TEXT   NOT NULL,
    target      TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    revoked     BIGINT NOT NULL,
    stale       BIGINT NOT NULL,
    expire_time BIGINT NOT NULL,
    PRIMARY KEY (target, id)
);
CREATE INDEX revocations_by_expiry ON revocations (expire_time);

-- Signing keys belong to the platform, not to a tenant: one issuer signs for all.
CREATE TABLE signing_keys (
    kid         TEXT   NOT NULL PRIMARY KEY,
    algorithm   TEXT   NOT NULL,
    sealed      BLOB   NOT NULL,
    -- Signs from here on; published earlier, so that verifiers know it before.
    active_time BIGINT NOT NULL,
    -- Stays published until here; null while it signs.
    retire_time BIGINT
);

-- Other secrets of the platform, sealed like keys.
CREATE TABLE secrets (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
);
