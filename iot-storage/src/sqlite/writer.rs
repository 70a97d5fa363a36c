//! One commit: the changes in order, then cursors and last-seen times, then the readings as rows of
//! the open segment, and last the removals of readings, which take those of their own commit too. Where nothing has to be read in between, all of it is one round trip.
//!
//! What is known in memory changes only after the commit. Before anything is sent the writer counts
//! as unsettled, and whoever finds it so (after a failure, or because the caller was cut off) rolls
//! back and reads the end of the log again.

use std::path::PathBuf;
use std::sync::Arc;

use iot_core::domain::{Point, Reading, Seq, TimeQuality};
use iot_core::port::{Change, Commit, Figures, LogError, LogErrorKind, Synchronous};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::known::{self, Known};
use super::row::{self, Corrections, Row, corrected};
use super::scan::Unreadable;
use super::segment::{self, Limits, Open};
use super::statement::Script;
use super::{change, connect, corrected as correction, encode, error, removal, views};

/// Changes that go into one round trip; a text of thousands of statements is slow to parse.
const SCRIPT: usize = 64;

/// The last checkpoint. Who reads in an old snapshot is not waited for long: the next start makes up
/// for it.
const CHECKPOINT: &str = "PRAGMA busy_timeout = 200; PRAGMA wal_checkpoint(TRUNCATE)";

/// The connection that writes, with what it knows.
pub(super) struct Writer {
    connection: Option<SqliteConnection>,
    path: PathBuf,
    synchronous: Synchronous,
    limits: Limits,
    /// What is on disk may be something else than what is known.
    unsettled: bool,
    /// What was known before the commit that is unsettled, where it changes nothing but the end.
    before: Option<(u64, Open)>,
    pub(super) known: Known,
}

impl Writer {
    /// Takes over the connection; makes the first segment where there is none.
    pub(super) async fn open(
        mut connection: SqliteConnection,
        path: PathBuf,
        synchronous: Synchronous,
        limits: Limits,
    ) -> Result<Self, sqlx::Error> {
        if !segment::list(&mut connection).await?.iter().any(|s| s.closed.is_none()) {
            let row =
                sqlx::query("SELECT coalesce(max(id), 0), coalesce(max(seq_last), 0) FROM segment")
                    .fetch_one(&mut connection)
                    .await?;
            let (id, end): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let mut script = Script::default();
            script.add("BEGIN IMMEDIATE");
            segment::create(&mut script, id + 1, end as u64 + 1);
            let mut ids: Vec<i64> =
                segment::list(&mut connection).await?.iter().map(|s| s.id).collect();
            ids.push(id + 1);
            views::remake(&mut script, &ids);
            script.add("COMMIT");
            script.run(&mut connection).await?;
        }
        // Nobody has been heard yet. A disk that is full now must not stop the start for that.
        let unheard = sqlx::query("UPDATE device SET state = 'offline' WHERE state <> 'offline'");
        if let Err(error) = unheard.execute(&mut connection).await {
            tracing::warn!(%error, "the devices' states on disk are those of the last run");
        }
        let known = known::load(&mut connection).await?;
        let connection = Some(connection);
        Ok(Self { connection, path, synchronous, limits, unsettled: false, before: None, known })
    }

    /// The ledger's figures.
    pub(super) fn figures(&self) -> Figures {
        self.known.figures()
    }

    /// Corrections of unsynced times.
    pub(super) fn corrections(&self) -> Arc<Corrections> {
        Arc::clone(&self.known.corrections)
    }

    /// Makes one transaction durable. Gives the bytes that its readings took.
    pub(super) async fn commit(&mut self, commit: &Commit) -> Result<u64, LogError> {
        let mut unreadable = Unreadable::default();
        loop {
            let known = unreadable.len();
            match self.attempt(commit, &mut unreadable).await {
                // It goes through without what the disk does not give.
                Err(_) if unreadable.len() > known => {}
                result => return result,
            }
        }
    }

    async fn attempt(
        &mut self,
        commit: &Commit,
        unreadable: &mut Unreadable,
    ) -> Result<u64, LogError> {
        if self.connection.is_none() {
            return Err(closed("commit"));
        }
        self.settle().await?;
        if commit.first != Seq(self.known.end + 1) {
            return Err(LogError {
                kind: LogErrorKind::Other,
                doing: "commit",
                why: format!(
                    "it begins at {} and the log ends at {}; nothing was written",
                    commit.first, self.known.end
                ),
            });
        }
        let rows = pack(commit).await;
        let bytes = rows.iter().map(|row| row.body.len() as u64).sum();
        let Some(connection) = self.connection.as_mut() else { return Err(closed("commit")) };
        let rolls = self.known.open.is_full(commit.readings(), bytes, self.limits);
        let plain = !rolls && !commit.changes.iter().any(change::reads);
        self.before = plain.then_some((self.known.end, self.known.open));
        self.unsettled = true;
        let result = write(connection, &mut self.known, commit, rows, rolls, unreadable).await;
        if let Err(error) = result {
            let failed = error::log("commit", &error);
            // The caller asks for the end; what is said there must hold.
            if let Err(error) = self.settle().await {
                tracing::warn!(%error, "after a failed commit the store cannot be read yet");
            }
            return Err(failed);
        }
        self.unsettled = false;
        Ok(bytes)
    }

    /// The place of the last committed reading, from the file.
    pub(super) async fn end(&mut self) -> Result<Seq, LogError> {
        self.settle().await?;
        let Some(connection) = self.connection.as_mut() else { return Err(closed("read its end")) };
        known::end(connection).await.map(Seq).map_err(|error| error::log("read its end", &error))
    }

    /// The connection, for a checkpoint in the writer's turn.
    pub(super) fn connection(&mut self) -> Option<&mut SqliteConnection> {
        self.connection.as_mut()
    }

    /// Ends: everything goes home into the file, and the connection is closed.
    pub(super) async fn close(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.unsettled {
            roll_back(&mut connection).await;
        }
        let last = sqlx::raw_sql(CHECKPOINT).execute(&mut connection).await;
        if let Err(error) = last {
            tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
        }
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "the database did not close in order");
        }
    }

    /// Ends without waiting for anything; the next start brings home what is in the write-ahead log.
    pub(super) fn abandon(&mut self) {
        drop(self.connection.take());
    }

    /// Brings what is known in line with the file after a failure.
    async fn settle(&mut self) -> Result<(), LogError> {
        if !self.unsettled {
            return Ok(());
        }
        let Some(connection) = self.connection.as_mut() else { return Err(closed("read its end")) };
        if !roll_back(connection).await {
            let again = connect::writer(&self.path, self.synchronous).await;
            *connection = again.map_err(|error| error::log("open again", &error))?;
        }
        let failed = |error: sqlx::Error| error::log("read its end", &error);
        match self.before {
            // The usual case, a full disk that is tried again and again: nothing came of it.
            Some((end, open)) if known::end(connection).await.map_err(failed)? == end => {
                self.known.end = end;
                self.known.open = open;
            }
            _ => self.known = known::load(connection).await.map_err(failed)?,
        }
        self.unsettled = false;
        Ok(())
    }
}

fn closed(doing: &'static str) -> LogError {
    LogError { kind: LogErrorKind::Other, doing, why: "the store is closed".to_owned() }
}

/// Ends a transaction that is open, where one is. False when the connection is of no more use.
async fn roll_back(connection: &mut SqliteConnection) -> bool {
    if sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_ok() {
        return true;
    }
    // There was none, or the connection is broken.
    sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await.is_ok()
}

/// Packs the readings into rows, a turn for others in between: 10,000 readings take some milliseconds.
async fn pack(commit: &Commit) -> Vec<Row> {
    let readings: Vec<&Reading> = commit.batches.iter().flat_map(|batch| batch.iter()).collect();
    let (mut rows, mut left, mut first) = (Vec::new(), readings.as_slice(), commit.first.0);
    while !left.is_empty() {
        let (row, taken) = encode::encode(left, first);
        first += taken as u64;
        left = &left[taken..];
        rows.push(row);
        if !left.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    rows
}

/// Writes all of it; `known` is right afterwards when this succeeds, and to be loaded when not.
async fn write(
    connection: &mut SqliteConnection,
    known: &mut Known,
    commit: &Commit,
    rows: Vec<Row>,
    rolls: bool,
    unreadable: &mut Unreadable,
) -> Result<(), sqlx::Error> {
    let mut script = Script::default();
    script.add("BEGIN IMMEDIATE");
    let plain = commit.changes.is_empty() && commit.cursors.is_empty() && commit.seen.is_empty();
    for change in &commit.changes {
        match change {
            Change::CorrectTime(boot, offset) => {
                std::mem::take(&mut script).run(connection).await?;
                correction::correct(connection, known, *boot, *offset, unreadable).await?;
            }
            // Its turn comes when the readings of this commit are there.
            Change::RemoveReadings { .. } => {}
            change => change::write(&mut script, change)?,
        }
        if script.len() >= SCRIPT {
            std::mem::take(&mut script).run(connection).await?;
        }
    }
    change::cursors(&mut script, &commit.cursors);
    change::seen(&mut script, &commit.seen);
    if rolls {
        roll(&mut script, known);
    }
    let single = rows.len() == 1;
    for row in rows {
        known.end = row.head.seq_last;
        known.open.add(&row.head, row.body.len());
        insert(&mut script, known.open.id, row);
    }
    let removes = commit.changes.iter().any(change::removes);
    if removes {
        std::mem::take(&mut script).run(connection).await?;
        take(known, commit);
        removal::remove(connection, known, &commit.changes, unreadable).await?;
    }
    script.add("COMMIT");
    if plain && single && !rolls {
        script.run_prepared(connection).await?;
    } else {
        script.run(connection).await?;
    }
    if !removes {
        take(known, commit);
    }
    Ok(())
}

/// Takes the readings of a commit for the newest of their sensors.
fn take(known: &mut Known, commit: &Commit) {
    for reading in commit.batches.iter().flat_map(|batch| batch.iter()) {
        take_one(known, reading);
    }
}

fn take_one(known: &mut Known, reading: &Reading) {
    let synced = !matches!(reading.time, TimeQuality::Unsynced { .. });
    if synced && !known.latest.would_take(reading.sensor.no, reading.ts) {
        return;
    }
    let point = Point {
        ts: reading.ts,
        value: reading.value.clone(),
        quality: reading.quality.clone(),
        time: reading.time,
    };
    known.latest.take(reading.sensor.no, &corrected(point, &known.corrections));
}

fn insert(script: &mut Script, segment: i64, row: Row) {
    let head = row.head;
    script
        .add(&format!(
            "INSERT INTO log_{segment} ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row::COLUMNS
        ))
        .bind(head.seq_first as i64)
        .bind(head.seq_last as i64)
        .bind(head.t_min)
        .bind(head.t_max)
        .bind(head.t_unit)
        .bind(head.unsynced)
        .bind(i64::from(head.crc))
        .bind(row.body);
}

/// Closes the open segment and opens the next.
fn roll(script: &mut Script, known: &mut Known) {
    segment::close(script, &known.open);
    known.latest.write(script);
    known.latest.clear();
    known.open = Open::new(known.open.id + 1, known.end + 1);
    known.segments.push(known.open.id);
    segment::create(script, known.open.id, known.open.seq_first);
    views::remake(script, &known.segments);
}
