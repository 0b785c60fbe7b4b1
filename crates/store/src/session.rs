//! What the writer does with a connection: begins its life in the database, and writes batches.
//!
//! All it does can be done twice: a commit whose answer was lost is done again. Whether the database is still the one that
//! was written before is asked each time it is reached anew, by the number of batches it remembers: one that was restored
//! or replaced meanwhile is told everything again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use ward_model::{Criticality, Dependency, MinHealthy, Name, Wall};

use crate::{
    batch::{Batch, Instance, KeptRecord, KeptTransition},
    code,
    connection::{Connection, Row, Value},
    fault::Fault,
    recorded,
    roll::remember,
    write::KnownService,
};

/// Ids of names that are remembered for a connection: more than there may be services.
const NAMES: usize = 32_768;

/// One life of this process as the database knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThisLife {
    /// Random.
    pub(crate) id: i64,
    pub(crate) started: Wall,
}

/// What a service declares, as it stands in one column.
#[derive(Serialize, Deserialize)]
pub(crate) struct Declared {
    pub(crate) criticality: Criticality,
    pub(crate) min_healthy: MinHealthy,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A connection that was begun.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    life: i64,
    /// Batches of this life that the database has.
    batches: i64,
    ids: HashMap<String, i64>,
}

impl Session {
    /// Begins, and says whether the database has what this life wrote before: `batches` were acknowledged.
    pub(crate) async fn begin(
        mut connection: Connection,
        life: ThisLife,
        batches: i64,
    ) -> Result<(Self, bool), Fault> {
        let has = connection
            .number("SELECT batches FROM life WHERE id = $1", vec![life.id.into()])
            .await?;
        // One more is the one whose answer was lost.
        let continued = match has {
            None => batches == 0,
            Some(has) => has == batches || has == batches + 1,
        };
        let begun = vec![life.id.into(), life.started.0.into()];
        let sql = "INSERT INTO life (id, started, last, batches) VALUES ($1, $2, $2, 0) ON CONFLICT (id) DO NOTHING";
        connection.begin().await?;
        connection.execute(sql, &[begun]).await?;
        connection.commit().await?;
        let session = Self {
            connection,
            life: life.id,
            batches: has.unwrap_or(0),
            ids: HashMap::new(),
        };
        Ok((session, continued))
    }

    /// Batches of this life that the database has.
    pub(crate) fn batches(&self) -> i64 {
        self.batches
    }

    /// The ids of names may be others now.
    pub(crate) fn forget_ids(&mut self) {
        self.ids.clear();
    }

    /// Ends what was refused: nothing of it is there, nor are names it brought.
    pub(crate) async fn undo(&mut self) -> Result<(), Fault> {
        self.forget_ids();
        self.connection.rollback().await
    }

    /// Writes `batch`, whole or not at all.
    pub(crate) async fn write(&mut self, batch: &Batch) -> Result<(), Fault> {
        self.connection.begin().await?;
        if batch.forget {
            for sql in [
                "DELETE FROM known_instance",
                "DELETE FROM known_service",
                "DELETE FROM maintenance",
                "DELETE FROM kept",
            ] {
                self.connection.execute(sql, &[vec![]]).await?;
            }
        }
        self.name(batch).await?;
        self.transitions(&batch.transitions).await?;
        self.services(batch).await?;
        self.instances(batch).await?;
        self.maintenance(batch).await?;
        self.kept(batch).await?;
        self.records(batch).await?;
        // What was seen was seen by somebody alive.
        let seen = batch
            .transitions
            .iter()
            .map(|kept| kept.at)
            .chain(batch.alive)
            .max();
        let seen = seen.map_or(i64::MIN, |seen| seen.0);
        let life = vec![seen.into(), (self.batches + 1).into(), self.life.into()];
        let sql =
            "UPDATE life SET last = CASE WHEN last > $1 THEN last ELSE $1 END, batches = $2 WHERE id = $3";
        self.connection.execute(sql, &[life]).await?;
        self.connection.commit().await?;
        self.batches += 1;
        Ok(())
    }

    /// Gives each name in `batch` an id.
    async fn name(&mut self, batch: &Batch) -> Result<(), Fault> {
        if self.ids.len() > NAMES {
            self.ids.clear();
        }
        let of_services = batch.services.iter().map(|(name, _)| name);
        let of_instances = batch.instances.iter().map(|(id, _)| &id.service);
        let of_windows = batch.maintenance.iter().map(|(name, _)| name);
        let named = of_services
            .chain(of_instances)
            .chain(of_windows)
            .map(Name::as_str);
        let of_transitions = batch.transitions.iter().map(|kept| subject(&kept.subject));
        let of_records = batch.records.iter().map(|record| subject(&record.subject));
        let mut new: Vec<&str> = of_transitions
            .chain(of_records)
            .chain(named)
            .filter(|name| !self.ids.contains_key(*name))
            .collect();
        new.sort_unstable();
        new.dedup();
        let rows: Vec<Row> = new.iter().map(|name| vec![(*name).into()]).collect();
        let sql = "INSERT INTO subject (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id";
        let answers = self.connection.query_each(sql, &rows).await?;
        for (name, answer) in new.into_iter().zip(answers) {
            if let Some(id) = answer.first().and_then(|row| row.first()) {
                self.ids.insert(name.to_owned(), id.int()?);
            }
        }
        Ok(())
    }

    fn id(&self, name: &str) -> Value {
        self.ids.get(name).copied().into()
    }

    async fn transitions(&mut self, kept: &[KeptTransition]) -> Result<(), Fault> {
        let row = |kept: &KeptTransition| {
            vec![
                self.id(subject(&kept.subject)),
                kept.at.0.into(),
                kept.epoch.cast_signed().into(),
                kept.revision.cast_signed().into(),
                code::status(kept.status).into(),
                kept.reason.as_str().into(),
                kept.message.as_str().into(),
                i64::from(kept.maintenance).into(),
            ]
        };
        let rows: Vec<Row> = kept.iter().map(row).collect();
        let sql =
            "INSERT INTO transition (subject, at, epoch, revision, status, reason, message, maintenance)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (subject, at, epoch, revision) DO NOTHING";
        self.connection.execute(sql, &rows).await
    }

    async fn services(&mut self, batch: &Batch) -> Result<(), Fault> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (name, service) in &batch.services {
            match service {
                Some(service) => there.push(service_row(self.id(name.as_str()), service)),
                None => gone.push(vec![self.id(name.as_str())]),
            }
        }
        let sql = "INSERT INTO known_service (subject, status, reason, message, since, declared)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (subject) DO UPDATE SET status = excluded.status,
            reason = excluded.reason, message = excluded.message, since = excluded.since, declared = excluded.declared";
        self.connection.execute(sql, &there).await?;
        self.connection
            .execute("DELETE FROM known_service WHERE subject = $1", &gone)
            .await
    }

    async fn instances(&mut self, batch: &Batch) -> Result<(), Fault> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        // In the order of the table: neighbours stand on one page, which is then written once.
        let mut instances: Vec<_> = batch.instances.iter().collect();
        instances.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (id, instance) in instances {
            let key = [self.id(id.service.as_str()), id.instance.as_str().into()];
            match instance {
                Some(instance) => there.push(instance_row(key, instance)),
                None => gone.push(key.into()),
            }
        }
        let sql = "INSERT INTO known_instance (service, instance, incarnation, interval_ms, state)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (service, instance) DO UPDATE SET
            incarnation = excluded.incarnation, interval_ms = excluded.interval_ms, state = excluded.state";
        self.connection.execute(sql, &there).await?;
        let sql = "DELETE FROM known_instance WHERE service = $1 AND instance = $2";
        self.connection.execute(sql, &gone).await
    }

    async fn maintenance(&mut self, batch: &Batch) -> Result<(), Fault> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (name, window) in &batch.maintenance {
            let id = self.id(name.as_str());
            match window {
                Some(window) => there.push(vec![
                    id,
                    window.by.as_str().into(),
                    window.why.as_str().into(),
                    window.start.0.into(),
                    window.end.map(|end| end.0).into(),
                ]),
                None => gone.push(vec![id]),
            }
        }
        let sql = "INSERT INTO maintenance (subject, said_by, why, starts, ends) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (subject) DO UPDATE SET said_by = excluded.said_by, why = excluded.why,
            starts = excluded.starts, ends = excluded.ends";
        self.connection.execute(sql, &there).await?;
        self.connection
            .execute("DELETE FROM maintenance WHERE subject = $1", &gone)
            .await
    }

    async fn kept(&mut self, batch: &Batch) -> Result<(), Fault> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for ((kind, key), body) in &batch.kept {
            let key = [code::kept(*kind).into(), key.as_str().into()];
            match body {
                Some(body) => there.push(key.into_iter().chain([body.as_str().into()]).collect()),
                None => gone.push(key.into()),
            }
        }
        let sql = "INSERT INTO kept (kind, key, body) VALUES ($1, $2, $3)
            ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body";
        self.connection.execute(sql, &there).await?;
        self.connection
            .execute("DELETE FROM kept WHERE kind = $1 AND key = $2", &gone)
            .await
    }

    async fn records(&mut self, batch: &Batch) -> Result<(), Fault> {
        let row = |record: &KeptRecord| {
            vec![
                record.at.0.into(),
                self.life.into(),
                record.seq.cast_signed().into(),
                self.id(subject(&record.subject)),
                record.body.as_str().into(),
            ]
        };
        let rows: Vec<Row> = batch.records.iter().map(row).collect();
        let sql = "INSERT INTO recorded (at, life, seq, subject, body) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (at, life, seq) DO NOTHING";
        self.connection.execute(sql, &rows).await?;
        match batch.hole {
            Some(end) => remember(&mut self.connection, &[(recorded::HOLE, end.0)]).await,
            None => Ok(()),
        }
    }
}

/// The name that a subject stands under: the system has none, and no service an empty one.
fn subject(of: &Option<Name>) -> &str {
    of.as_ref().map_or("", Name::as_str)
}

fn service_row(id: Value, service: &KnownService) -> Row {
    let declared = Declared {
        criticality: service.criticality,
        min_healthy: service.min_healthy,
        dependencies: service.dependencies.clone(),
    };
    // Names, numbers and words make JSON whatever they are.
    let declared = serde_json::to_string(&declared).unwrap_or_default();
    vec![
        id,
        code::status(service.status).into(),
        service.reason.as_str().into(),
        service.message.as_str().into(),
        service.since.0.into(),
        declared.as_str().into(),
    ]
}

fn instance_row(key: [Value; 2], instance: &Instance) -> Row {
    let [service, name] = key;
    vec![
        service,
        name,
        code::incarnation(&instance.incarnation).into(),
        i64::from(instance.interval_ms).into(),
        code::state(instance.status, instance.freshness).into(),
    ]
}
