//! Where the tables stand, and the placeholders by which one SQL text serves every server.
//!
//! * `${t}` — database and table prefix: `${t}progress` becomes `tally.progress`
//! * `${d}` — database
//! * `${on_cluster}` — nothing, or ` ON CLUSTER name`
//! * `${replacing}` — `ReplacingMergeTree`, or `ReplicatedReplacingMergeTree` on a cluster
//! * `${merge_tree}` — `MergeTree`, or `ReplicatedMergeTree` on a cluster
//! * `${refresh}` — seconds between two refreshes of a refreshable view
//! * `${view}`, `${window}`, `${keep}` — types that several columns share
//! * `${usage:30d}`, `${standing:30d}` — definitions of the columns of one window
//! * `${lanes:30d}` — names of the usage columns of one window

use crate::rows::columns::{STANDING, USAGE, definitions};
use tally_domain::Window;

const VIEW: &str = "Enum8('unknown' = 0, 'sdk' = 1, 'collector_otel' = 2, 'transcript' = 3, 'gateway' = 4, \
     'provider_report' = 5, 'table' = 6)";
const WINDOW: &str = "Enum8('24h' = 0, '7d' = 1, '30d' = 2, 'lifetime' = 3)";
const KEEP: &str = "Enum8('all' = 0, 'hourly' = 1, 'daily' = 2)";

/// Names of database, tables and cluster, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    database: String,
    prefix: String,
    cluster: Option<String>,
    refresh_seconds: u32,
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field} of clickhouse is {value:?}; write letters, digits and underscores that begin with no digit, 64 at most"
)]
pub struct BadName {
    /// Which setting.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
}

impl Layout {
    /// Tables `<database>.<prefix><name>`; on a cluster when one is named. The prefix may be empty.
    ///
    /// # Errors
    /// When a name needs quoting: none of them may.
    pub fn new(
        database: &str,
        prefix: &str,
        cluster: Option<&str>,
        refresh_seconds: u32,
    ) -> Result<Self, BadName> {
        let names = [
            ("database", Some(database)),
            ("cluster", cluster),
            ("prefix", Some(prefix).filter(|p| !p.is_empty())),
        ];
        for (field, value) in names.into_iter().filter_map(|(field, value)| value.map(|value| (field, value)))
        {
            if !is_plain(value) {
                return Err(BadName { field, value: value.to_owned() });
            }
        }
        Ok(Self {
            database: database.to_owned(),
            prefix: prefix.to_owned(),
            cluster: cluster.map(str::to_owned),
            refresh_seconds: refresh_seconds.max(1),
        })
    }

    /// Database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A table's name with database and prefix.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        format!("{}.{}{name}", self.database, self.prefix)
    }

    /// The text with every placeholder replaced.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        let cluster = self.cluster.as_ref();
        let engine =
            |name: &str| if cluster.is_some() { format!("Replicated{name}") } else { name.to_owned() };
        let placeholders = [
            ("${t}", self.table("")),
            ("${d}", self.database.clone()),
            ("${on_cluster}", cluster.map_or_else(String::new, |name| format!(" ON CLUSTER {name}"))),
            ("${replacing}", engine("ReplacingMergeTree")),
            ("${merge_tree}", engine("MergeTree")),
            ("${refresh}", self.refresh_seconds.to_string()),
            ("${view}", VIEW.to_owned()),
            ("${window}", WINDOW.to_owned()),
            ("${keep}", KEEP.to_owned()),
        ];
        let text = Window::ALL.into_iter().fold(text.to_owned(), |text, window| of_window(&text, window));
        placeholders.iter().fold(text, |text, (name, value)| text.replace(name, value))
    }
}

/// The text with the placeholders of one window replaced.
fn of_window(text: &str, window: Window) -> String {
    let name = window.name();
    let lanes: Vec<String> = USAGE.iter().map(|(lane, ..)| format!("{lane}_{name}")).collect();
    text.replace(&format!("${{usage:{name}}}"), &definitions(&USAGE, window))
        .replace(&format!("${{standing:{name}}}"), &definitions(&STANDING, window))
        .replace(&format!("${{lanes:{name}}}"), &lanes.join(", "))
}

/// True for a name that needs no quoting.
fn is_plain(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_serves_a_server_and_a_cluster() {
        let text = "CREATE TABLE ${t}progress${on_cluster} ENGINE = ${replacing}(version)";
        let one = Layout::new("tally", "", None, 60).unwrap();
        assert_eq!(one.expand(text), "CREATE TABLE tally.progress ENGINE = ReplacingMergeTree(version)");
        let many = Layout::new("usage", "t_", Some("main"), 60).unwrap();
        assert_eq!(
            many.expand(text),
            "CREATE TABLE usage.t_progress ON CLUSTER main ENGINE = ReplicatedReplacingMergeTree(version)"
        );
    }

    #[test]
    fn a_name_that_would_need_quoting_is_refused_by_its_setting() {
        let error = Layout::new("tally; DROP", "", None, 60).unwrap_err().to_string();
        assert!(error.starts_with("database of clickhouse is \"tally; DROP\""), "{error}");
        assert!(Layout::new("tally", "1x", None, 60).is_err());
    }
}
