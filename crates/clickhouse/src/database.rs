//! One ClickHouse: where it answers and where our tables stand in it.

use crate::error::ClickHouseError;
use crate::layout::Layout;
use crate::rows::Table;
use clickhouse::{Client, Row, RowOwned, RowRead, RowWrite};
use std::time::Duration;

/// Greatest number of rows of one insert: far below the size at which an insert is no longer one part.
pub const INSERT_ROWS_MAX: usize = 250_000;
/// How long one insert may take to be sent, and then to be acknowledged.
const INSERT_TIMEOUT: Duration = Duration::from_mins(1);

/// Who asks; masked when shown.
#[derive(Clone)]
pub struct Credentials {
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, masked)", self.user)
    }
}

/// A handle that is cheap to clone. Clones share connections, and connections belong to the runtime that opened
/// them: for another runtime take [`Database::with_own_connections`].
#[derive(Clone)]
pub struct Database {
    client: Client,
    layout: Layout,
    url: String,
    credentials: Option<Credentials>,
    insert_rows_max: usize,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.url)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// The tables of `layout` in the server at `url` (`http://127.0.0.1:8123`). Asks nothing yet.
    #[must_use]
    pub fn new(url: &str, credentials: Option<&Credentials>, layout: Layout) -> Self {
        let client = Client::default().with_url(url);
        let client = match credentials {
            Some(Credentials { user, password }) => client.with_user(user).with_password(password),
            None => client,
        };
        let credentials = credentials.cloned();
        Self { client, layout, url: url.to_owned(), credentials, insert_rows_max: INSERT_ROWS_MAX }
    }

    /// The same server and tables for use on another runtime. A pooled connection is driven by the runtime that
    /// opened it; used from elsewhere, it would wait for that one.
    #[must_use]
    pub fn with_own_connections(self) -> Self {
        let rows = self.insert_rows_max;
        Self::new(&self.url, self.credentials.as_ref(), self.layout).with_insert_rows_max(rows)
    }

    /// The same with fewer rows in one insert: 1 to [`INSERT_ROWS_MAX`], which is what it begins with.
    #[must_use]
    pub fn with_insert_rows_max(self, rows: usize) -> Self {
        Self { insert_rows_max: rows.clamp(1, INSERT_ROWS_MAX), ..self }
    }

    /// Greatest number of rows of one insert.
    #[must_use]
    pub const fn insert_rows_max(&self) -> usize {
        self.insert_rows_max
    }

    /// Names of the tables.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The client, for what is not covered here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A query in which the placeholders of [`crate::layout`] are replaced; `{name: Type}` are parameters.
    pub fn query(&self, text: &str) -> clickhouse::query::Query {
        self.client.query_raw(&self.layout.expand(text))
    }

    /// Runs a statement without an answer.
    ///
    /// # Errors
    /// When the server does.
    pub async fn execute(&self, doing: &str, text: &str) -> Result<(), ClickHouseError> {
        self.query(text).execute().await.map_err(|error| ClickHouseError::of(doing, error))
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// When the server does, or its columns are not those of `T`.
    pub async fn fetch<T: RowOwned + RowRead>(
        &self,
        doing: &str,
        query: clickhouse::query::Query,
    ) -> Result<Vec<T>, ClickHouseError> {
        query.fetch_all().await.map_err(|error| ClickHouseError::of(doing, error))
    }

    /// Inserts `rows` into their table, [`Database::insert_rows_max`] at a time; done when the server acknowledged all.
    /// A repetition changes nothing, because tables are keyed.
    ///
    /// # Errors
    /// When the server does, or a row cannot be written down; earlier rows may then be in.
    pub async fn insert<T>(
        &self,
        rows: impl IntoIterator<Item = Result<T, crate::rows::RowError>>,
    ) -> Result<u64, ClickHouseError>
    where
        T: Table + for<'v> Row<Value<'v> = T> + RowWrite,
    {
        let doing = || format!("inserting into {}", T::TABLE);
        let mut rows = rows.into_iter().peekable();
        let mut count = 0_u64;
        while rows.peek().is_some() {
            let mut insert =
                self.begin_insert::<T>().await.map_err(|error| ClickHouseError::of(doing(), error))?;
            for row in rows.by_ref().take(self.insert_rows_max) {
                let row = row.map_err(|error| ClickHouseError::row(doing(), error))?;
                insert.write(&row).await.map_err(|error| ClickHouseError::of(doing(), error))?;
                count = count.saturating_add(1);
            }
            insert.end().await.map_err(|error| ClickHouseError::of(doing(), error))?;
        }
        Ok(count)
    }

    /// One part per insert, on disk when acknowledged, and no guess about repeated blocks: keys decide.
    async fn begin_insert<T: Table + Row>(
        &self,
    ) -> Result<clickhouse::insert::Insert<T>, clickhouse::error::Error> {
        const SETTINGS: [(&str, &str); 7] = [
            ("async_insert", "0"),
            ("insert_deduplicate", "0"),
            ("max_insert_block_size", "10000000"),
            ("min_insert_block_size_rows", "10000000"),
            ("min_insert_block_size_bytes", "0"),
            ("input_format_parallel_parsing", "0"),
            ("max_insert_threads", "1"),
        ];
        let insert = self.client.insert_unescaped::<T>(&self.layout.table(T::TABLE)).await?;
        let insert = insert.with_timeouts(Some(INSERT_TIMEOUT), Some(INSERT_TIMEOUT));
        Ok(SETTINGS.into_iter().fold(insert, |insert, (name, value)| insert.with_setting(name, value)))
    }
}
