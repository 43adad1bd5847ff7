//! What a run of blows came to, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::blow::{Blow, Phase};

/// Blows by kind and phase, and how long the installation took to serve again.
#[derive(Clone, Debug, Default)]
pub struct Report {
    blows: BTreeMap<(Blow, Phase), u32>,
    serving_again: Vec<Duration>,
    current_again: Vec<Duration>,
    /// How often everything published was held against the ledger.
    pub checks: u32,
    /// Reports that were acknowledged.
    pub reports: usize,
    /// Events that they are of.
    pub events: usize,
}

impl Report {
    /// A blow fell.
    pub fn hit(&mut self, phase: Phase, blow: Blow) {
        *self.blows.entry((blow, phase)).or_default() += 1;
    }

    /// How many of them killed.
    #[must_use]
    pub fn kills(&self) -> u32 {
        self.blows.iter().filter(|((blow, _), _)| blow.kills()).map(|(_, count)| count).sum()
    }

    /// From the start of a process that follows a killed one until it serves.
    pub fn serves_again(&mut self, after: Duration) {
        self.serving_again.push(after);
    }

    /// Until everything acknowledged before is published and archived.
    pub fn is_current_again(&mut self, after: Duration) {
        self.current_again.push(after);
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
        let phases = [Phase::Starting, Phase::Taking, Phase::Settling];
        write!(f, "{:<14}", "")?;
        phases.iter().try_for_each(|phase| write!(f, "{phase:>10}"))?;
        let blows: std::collections::BTreeSet<Blow> = self.blows.keys().map(|(blow, _)| *blow).collect();
        for blow in blows {
            write!(f, "\n{blow:<14}")?;
            for phase in phases {
                write!(f, "{:>10}", self.blows.get(&(blow, phase)).copied().unwrap_or(0))?;
            }
        }
        write!(
            f,
            "\n{} kills; {} reports of {} events acknowledged",
            self.kills(),
            self.reports,
            self.events
        )?;
        write!(f, "\nserving again after  {} (least / median / most)", spread(&self.serving_again))?;
        write!(f, "\ncurrent again after  {}", spread(&self.current_again))?;
        write!(f, "\ndifferences          0 in {} comparisons with the ledger and by verify", self.checks)
    }
}
