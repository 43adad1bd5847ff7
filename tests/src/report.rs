//! What a run of blows came to, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::ledger::Ledger;

/// Blows by two of their sides, and how long the installation took to serve again.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which they are shown.
    columns: Vec<String>,
    blows: BTreeMap<(String, String), u32>,
    kills: u32,
    serving_again: BTreeMap<String, Vec<Duration>>,
    current_again: Vec<Duration>,
    /// How often everything published was held against the ledger.
    checks: u32,
    /// Reports that were acknowledged by the last time.
    reports: usize,
    /// Events that they are of.
    events: usize,
}

impl Report {
    /// No blow yet.
    pub fn with_columns(columns: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        Self { columns: columns.into_iter().map(|column| column.to_string()).collect(), ..Self::default() }
    }

    /// A blow fell.
    pub fn hit(&mut self, row: impl fmt::Display, column: impl fmt::Display, killed: bool) {
        *self.blows.entry((row.to_string(), column.to_string())).or_default() += 1;
        self.kills += u32::from(killed);
    }

    /// How many of them killed a process.
    #[must_use]
    pub const fn kills(&self) -> u32 {
        self.kills
    }

    /// Everything published was held against the ledger, and agrees with it.
    pub fn agrees_with(&mut self, ledger: &Ledger) {
        self.checks += 1;
        self.reports = ledger.reports;
        self.events = ledger.events();
    }

    /// From the start of what follows somebody who was killed until all serve.
    pub fn serves_again(&mut self, who: impl fmt::Display, after: impl Into<Option<Duration>>) {
        if let Some(after) = after.into() {
            self.serving_again.entry(who.to_string()).or_default().push(after);
        }
    }

    /// Until everything acknowledged before is published and archived.
    pub fn is_current_again(&mut self, after: impl Into<Option<Duration>>) {
        self.current_again.extend(after.into());
    }
}

/// Least, median and greatest.
fn spread(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    match (times.first(), times.get(times.len() / 2), times.last()) {
        (Some(least), Some(median), Some(most)) => {
            let seconds = |time: &Duration| format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10);
            format!("{} / {} / {} s", seconds(least), seconds(median), seconds(most))
        }
        _ => "none".to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14}", "")?;
        self.columns.iter().try_for_each(|column| write!(f, "{column:>10}"))?;
        let rows: BTreeSet<&String> = self.blows.keys().map(|(row, _)| row).collect();
        for row in rows {
            write!(f, "\n{row:<14}")?;
            for column in &self.columns {
                let count = self.blows.get(&(row.clone(), column.clone()));
                write!(f, "{:>10}", count.copied().unwrap_or(0))?;
            }
        }
        write!(
            f,
            "\n{} kills; {} reports of {} events acknowledged",
            self.kills(),
            self.reports,
            self.events
        )?;
        write!(f, "\nserving again after  (least / median / most)")?;
        for (who, times) in &self.serving_again {
            write!(f, "\n{who:>18}   {}", spread(times))?;
        }
        write!(f, "\ncurrent again after  {}", spread(&self.current_again))?;
        write!(f, "\ndifferences          0 in {} comparisons with the ledger and by verify", self.checks)
    }
}
