-- The first schema. Times are microseconds since 1970 UTC; JSON is text. Readings lie in tables
-- log_N, one per segment, made when the segment opens; the view device_data is remade with them.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE device (
    id           INTEGER PRIMARY KEY,            -- the core's number, never reused
    device_id    TEXT NOT NULL UNIQUE,
    hardware     TEXT,
    name         TEXT,
    kind         TEXT NOT NULL,
    home         TEXT NOT NULL,                  -- instance:NAME, link:NAME, listener:mqtt, api
    manufacturer TEXT,
    model        TEXT,
    area         TEXT,
    labels       TEXT NOT NULL DEFAULT '[]',
    icon         TEXT,
    attributes   TEXT NOT NULL DEFAULT '{}',
    commands     TEXT NOT NULL DEFAULT '[]',
    first_seen   INTEGER NOT NULL,
    last_seen    INTEGER,
    state        TEXT NOT NULL DEFAULT 'offline', -- online, offline, stale, fault; offline at each start
    removed      INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE sensor (
    id             INTEGER PRIMARY KEY,          -- the core's number, never reused
    device         INTEGER NOT NULL REFERENCES device (id),
    key            TEXT NOT NULL,
    name           TEXT,
    type           TEXT NOT NULL,
    unit           TEXT,
    display_unit   TEXT,
    precision      INTEGER,
    class          TEXT,
    resolution     REAL,
    scale          REAL,
    offset         REAL,
    retention_days INTEGER,
    latest_ts      INTEGER,                      -- its newest reading, as of the last closed segment
    latest         TEXT,                         -- that reading, in the form of a log row of one
    UNIQUE (device, key)
);

-- 0 open, 1 closed (2 sealed, 3 merged: with sealing). The last four columns are filled on closing.
CREATE TABLE segment (
    id        INTEGER PRIMARY KEY,
    state     INTEGER NOT NULL,
    seq_first INTEGER NOT NULL,
    seq_last  INTEGER,
    t_min     INTEGER,
    t_max     INTEGER,
    unsynced  INTEGER
);

CREATE TABLE ledger (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    replaced        INTEGER NOT NULL DEFAULT 0,
    removed_age     INTEGER NOT NULL DEFAULT 0,
    removed_cap     INTEGER NOT NULL DEFAULT 0,
    removed_by_hand INTEGER NOT NULL DEFAULT 0
);
INSERT INTO ledger (id) VALUES (1);

CREATE TABLE cursor (
    name         TEXT PRIMARY KEY,
    seq          INTEGER NOT NULL,
    began        INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    filtered     INTEGER NOT NULL,
    dropped      INTEGER NOT NULL
) WITHOUT ROWID;

-- Microseconds to add to the monotonic time of unsynced readings of a boot.
CREATE TABLE correction (
    boot   INTEGER PRIMARY KEY,
    offset INTEGER NOT NULL
);

CREATE TABLE instance (
    name    TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,
    config  TEXT NOT NULL,
    origin  TEXT NOT NULL,
    enabled INTEGER NOT NULL
);

-- What plugins keep; also of instances that are written in the configuration file.
CREATE TABLE instance_state (
    name    TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    bytes   BLOB NOT NULL
);

CREATE TABLE plugin (
    kind       TEXT PRIMARY KEY,
    version    TEXT NOT NULL,
    door       TEXT NOT NULL,
    path       TEXT,
    hash       TEXT,
    grants     TEXT NOT NULL,
    state      TEXT NOT NULL,
    last_error TEXT,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL
);

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE token (
    hash    TEXT PRIMARY KEY,                    -- SHA-256 of the secret, hex; the secret is not kept
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    scope   TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
);

-- A state machine: queued, sent, then exactly one of done, failed, refused, timed_out.
CREATE TABLE command (
    id           INTEGER PRIMARY KEY,
    command_id   TEXT NOT NULL UNIQUE,
    device_id    TEXT NOT NULL,
    name         TEXT NOT NULL,
    params       TEXT NOT NULL,
    state        TEXT NOT NULL
        CHECK (state IN ('queued', 'sent', 'done', 'failed', 'refused', 'timed_out')),
    by           TEXT NOT NULL,
    created      INTEGER NOT NULL,
    deadline     INTEGER NOT NULL,
    result       TEXT,
    error        TEXT,
    may_have_run INTEGER NOT NULL
);
CREATE INDEX command_of_device ON command (device_id, id);
CREATE INDEX command_by_age ON command (created);
CREATE INDEX command_open ON command (id) WHERE state IN ('queued', 'sent');

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    principal TEXT NOT NULL,
    action    TEXT NOT NULL,
    target    TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    detail    TEXT
);

-- For people and Grafana. The store is not told live states: online is "heard in the last 5 minutes".
CREATE VIEW devices (
    device_id, name, kind, home, state, manufacturer, model, area, created, last_seen
) AS
SELECT device_id, coalesce(name, device_id), kind, home, state, manufacturer, model, area,
       first_seen, last_seen
FROM device WHERE NOT removed;

CREATE VIEW sensors (sensor_id, device_id, key, name, type, unit) AS
SELECT d.device_id || '.' || s.key, d.device_id, s.key, coalesce(s.name, s.key), s.type, s.unit
FROM sensor s JOIN device d ON d.id = s.device WHERE NOT d.removed;

CREATE VIEW plugin_registry (
    kind, version, door, path, hash, grants, state, last_error, first_seen, last_seen
) AS
SELECT kind, version, door, path, hash, grants, state, last_error, first_seen, last_seen
FROM plugin;

-- One row a sealed run of one sensor's readings; nothing is sealed yet.
CREATE VIEW device_data_sealed (
    device_id, key, from_ts, to_ts, count, min, max, sum
) AS
SELECT '', '', 0, 0, 0, 0.0, 0.0, 0.0 WHERE 0;
