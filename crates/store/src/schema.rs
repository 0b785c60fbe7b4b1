//! The tables, as numbered steps that only go forward.
//!
//! A step that was released is never changed. Each is done in one transaction with the number that says so; who finds a
//! greater number than [`VERSION`] refuses to go on. The two databases differ only in how tables are made; all other
//! SQL is the same text for both (SQLite takes `$1` for its first parameter if it is the first that is named).

/// Says that a file of SQLite is Ward's: "Ward" in ASCII.
pub(crate) const APPLICATION: i64 = 0x5761_7264;

/// The newest version that this Ward knows.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

/// One step, for each database.
pub(crate) struct Step {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// All steps, oldest first; the first makes version 1.
pub(crate) const STEPS: &[Step] = &[Step {
    sqlite: "
        -- Numbers that the store remembers about itself.
        CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        -- Names, once each; the empty one is the system.
        CREATE TABLE subject (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
        -- Lives of the aggregator: from when to when somebody watched, and how many batches each has written.
        CREATE TABLE life (id INTEGER PRIMARY KEY, started INTEGER NOT NULL, last INTEGER NOT NULL,
            batches INTEGER NOT NULL) STRICT;
        CREATE TABLE transition (subject INTEGER NOT NULL, at INTEGER NOT NULL, epoch INTEGER NOT NULL,
            revision INTEGER NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
            maintenance INTEGER NOT NULL, PRIMARY KEY (subject, at, epoch, revision)) STRICT, WITHOUT ROWID;
        CREATE TABLE day (subject INTEGER NOT NULL, day INTEGER NOT NULL, healthy_ms INTEGER NOT NULL,
            degraded_ms INTEGER NOT NULL, unhealthy_ms INTEGER NOT NULL, unknown_ms INTEGER NOT NULL,
            maintenance_ms INTEGER NOT NULL, PRIMARY KEY (subject, day)) STRICT, WITHOUT ROWID;
        CREATE TABLE known_service (subject INTEGER PRIMARY KEY, status INTEGER NOT NULL, reason TEXT NOT NULL,
            message TEXT NOT NULL, since INTEGER NOT NULL, declared TEXT NOT NULL) STRICT;
        CREATE TABLE known_instance (service INTEGER NOT NULL, instance TEXT NOT NULL, incarnation BLOB NOT NULL,
            interval_ms INTEGER NOT NULL, state INTEGER NOT NULL, PRIMARY KEY (service, instance))
            STRICT, WITHOUT ROWID;
        CREATE TABLE maintenance (subject INTEGER PRIMARY KEY, said_by TEXT NOT NULL, why TEXT NOT NULL,
            starts INTEGER NOT NULL, ends INTEGER) STRICT;
    ",
    postgres: "
        CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
        CREATE TABLE subject (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE life (id BIGINT PRIMARY KEY, started BIGINT NOT NULL, last BIGINT NOT NULL,
            batches BIGINT NOT NULL);
        CREATE TABLE transition (subject BIGINT NOT NULL, at BIGINT NOT NULL, epoch BIGINT NOT NULL,
            revision BIGINT NOT NULL, status BIGINT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
            maintenance BIGINT NOT NULL, PRIMARY KEY (subject, at, epoch, revision));
        CREATE TABLE day (subject BIGINT NOT NULL, day BIGINT NOT NULL, healthy_ms BIGINT NOT NULL,
            degraded_ms BIGINT NOT NULL, unhealthy_ms BIGINT NOT NULL, unknown_ms BIGINT NOT NULL,
            maintenance_ms BIGINT NOT NULL, PRIMARY KEY (subject, day));
        CREATE TABLE known_service (subject BIGINT PRIMARY KEY, status BIGINT NOT NULL, reason TEXT NOT NULL,
            message TEXT NOT NULL, since BIGINT NOT NULL, declared TEXT NOT NULL);
        CREATE TABLE known_instance (service BIGINT NOT NULL, instance TEXT NOT NULL, incarnation BYTEA NOT NULL,
            interval_ms BIGINT NOT NULL, state BIGINT NOT NULL, PRIMARY KEY (service, instance));
        CREATE TABLE maintenance (subject BIGINT PRIMARY KEY, said_by TEXT NOT NULL, why TEXT NOT NULL,
            starts BIGINT NOT NULL, ends BIGINT);
    ",
}];
