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
-- A few of very many, that are looked for each day.
CREATE INDEX transition_forgotten ON transition (at) WHERE reason = 'Forgotten';
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
