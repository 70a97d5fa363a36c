//! SQL put together at run time, all of it here: names of log tables are numbers of segments, and
//! every value is bound. Several statements in one script cost one round trip to the connection's
//! thread, which is most of what a small statement costs.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// Statements with their values, run in order in one round trip. Placeholders are plain `?`.
#[derive(Debug, Default)]
pub(super) struct Script {
    sql: String,
    values: SqliteArguments,
    error: Option<String>,
    statements: usize,
}

impl Script {
    /// Adds a statement; its values follow by [`Script::bind`].
    pub(super) fn add(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self.sql.push_str(";\n");
        self.statements += 1;
        self
    }

    /// Gives the next placeholder its value.
    pub(super) fn bind<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.values.add(value) {
            self.error.get_or_insert_with(|| error.to_string());
        }
        self
    }

    /// How many statements there are.
    pub(super) fn len(&self) -> usize {
        self.statements
    }

    /// Runs them and forgets their text.
    pub(super) async fn run(self, to: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.execute(to, false).await
    }

    /// Runs them and keeps them prepared: for a text that comes again and again.
    pub(super) async fn run_prepared(self, to: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.execute(to, true).await
    }

    async fn execute(self, to: &mut SqliteConnection, keep: bool) -> Result<(), sqlx::Error> {
        if let Some(error) = self.error {
            return Err(sqlx::Error::Protocol(error));
        }
        if self.statements == 0 {
            return Ok(());
        }
        sqlx::query_with(AssertSqlSafe(self.sql), self.values)
            .persistent(keep)
            .execute(to)
            .await
            .map(drop)
    }

    /// Runs one query and gives its rows.
    pub(super) async fn rows(
        self,
        to: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        if let Some(error) = self.error {
            return Err(sqlx::Error::Protocol(error));
        }
        sqlx::query_with(AssertSqlSafe(self.sql), self.values).persistent(false).fetch_all(to).await
    }
}
