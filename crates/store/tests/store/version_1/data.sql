INSERT INTO subject (id, name) VALUES (1, ''), (2, 'web'), (3, 'bank');
INSERT INTO life (id, started, last, batches) VALUES (77, 1000, 4102444800000, 3);
INSERT INTO transition (subject, at, epoch, revision, status, reason, message, maintenance)
    VALUES (2, 4102444700000, 1, 1, 3, 'Lost', 'as of 1', 0);
INSERT INTO day (subject, day, healthy_ms, degraded_ms, unhealthy_ms, unknown_ms, maintenance_ms)
    VALUES (2, 47480, 86400000, 0, 0, 0, 0);
INSERT INTO known_service (subject, status, reason, message, since, declared) VALUES (2, 3, 'Lost', 'gone', 5,
    '{"criticality":"critical","min_healthy":{"percent":50},"dependencies":[]}');
INSERT INTO maintenance (subject, said_by, why, starts, ends) VALUES (3, 'ann', 'new disks', 7, NULL);
