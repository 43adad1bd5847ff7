//! What the topics must be like, how they differ, and who can change it how. Pure: brokers are asked elsewhere.

use std::fmt;

use tally_domain::Topic;

use crate::config::KafkaConfig;

const MS_PER_DAY: i64 = 86_400_000;
/// The longest window, and what may come late.
const USAGE_DAYS_MIN: u32 = 38;

/// A topic as Tally wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) partitions: u16,
    pub(crate) replication: u16,
    pub(crate) settings: Vec<Setting>,
}

/// One setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// What a new topic gets.
    pub(crate) value: String,
    /// What an existing one must have.
    rule: Rule,
    /// What a difference does.
    weight: Weight,
}

/// What an existing topic must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// This very value.
    Exactly,
    /// Among the words of a list, exactly these.
    Words,
    /// A number not below this; negative means without end.
    AtLeast(i64),
}

/// What a difference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The promise would be broken: Tally does not start.
    Breaks,
    /// Less is kept, or fewer deaths are survived, than was asked for.
    Weakens,
}

/// How an existing topic differs from what is wanted, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of the topic, with its prefix.
    pub topic: String,
    /// Which setting.
    pub setting: &'static str,
    /// What it should be.
    pub wanted: String,
    /// What it is; "not known" when this user may not see it.
    pub found: String,
    /// What it does.
    pub weight: Weight,
    /// For whoever may change it.
    pub command: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, setting, wanted, found, command, .. } = self;
        write!(f, "{topic}: {setting} is {found}, wanted is {wanted}: {command}")
    }
}

/// A topic as the brokers describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partitions: usize,
    /// Of the partition that has the fewest.
    pub(crate) replication: usize,
    /// Name and value; `None`: this user may not see them.
    pub(crate) settings: Option<Vec<(String, String)>>,
}

impl Wanted {
    pub(crate) fn of(config: &KafkaConfig, topic: Topic) -> Self {
        let mut settings = vec![
            Setting::breaking("message.timestamp.type", "LogAppendTime"),
            Setting::breaking("unclean.leader.election.enable", "false"),
            Setting {
                name: "min.insync.replicas",
                value: config.min_insync.to_string(),
                rule: Rule::AtLeast(config.min_insync.into()),
                weight: Weight::Weakens,
            },
            Setting {
                name: "max.message.bytes",
                // A batch of one record, with its frame.
                value: (config.record_bytes_max + 65_536).to_string(),
                rule: Rule::AtLeast(1_000_000),
                weight: Weight::Weakens,
            },
        ];
        match config.retention_days.ms(topic) {
            Some(ms) => settings.extend(kept(topic, ms)),
            None => settings.extend(compacted()),
        }
        Self {
            name: config.topic(topic),
            partitions: config.partitions,
            replication: config.replication,
            settings,
        }
    }

    /// How it differs from what is there.
    pub(crate) fn differences(&self, brokers: &str, found: &Found) -> Vec<Difference> {
        let mut differ = Vec::new();
        let mut differs = |setting, wanted: String, found: String, weight, command| {
            differ.push(Difference { topic: self.name.clone(), setting, wanted, found, weight, command });
        };
        if found.partitions != usize::from(self.partitions) {
            differs(
                "partitions",
                self.partitions.to_string(),
                found.partitions.to_string(),
                Weight::Breaks,
                format!(
                    "the number is for life: set kafka.partitions = {}, or choose another kafka.prefix",
                    found.partitions
                ),
            );
        }
        if found.replication < usize::from(self.replication) {
            differs(
                "replication",
                format!("at least {}", self.replication),
                found.replication.to_string(),
                Weight::Weakens,
                format!(
                    "kafka-reassign-partitions.sh --bootstrap-server {brokers} --execute --reassignment-json-file FILE"
                ),
            );
        }
        for setting in &self.settings {
            let value = found.settings.as_ref().map(|settings| {
                settings.iter().find(|(name, _)| name == setting.name).map_or("", |(_, value)| value)
            });
            if value.is_none_or(|value| !setting.accepts(value)) {
                let weight = if value.is_none() { Weight::Weakens } else { setting.weight };
                differs(
                    setting.name,
                    setting.wants(),
                    value.unwrap_or("not known").to_owned(),
                    weight,
                    setting.command(brokers, &self.name),
                );
            }
        }
        differ
    }

    /// The command that makes it.
    pub(crate) fn command(&self, brokers: &str) -> String {
        let settings: Vec<String> =
            self.settings.iter().map(|setting| format!("{}={}", setting.name, setting.value)).collect();
        format!(
            "kafka-topics.sh --bootstrap-server {brokers} --create --topic {} --partitions {} \
             --replication-factor {} --config {}",
            self.name,
            self.partitions,
            self.replication,
            settings.join(" --config ")
        )
    }
}

/// Of a topic that keeps a span of time.
fn kept(topic: Topic, ms: i64) -> [Setting; 3] {
    let breaks = topic == Topic::Usage;
    let least = if breaks { i64::from(USAGE_DAYS_MIN) * MS_PER_DAY } else { ms };
    let weight = if breaks { Weight::Breaks } else { Weight::Weakens };
    [
        Setting {
            name: "cleanup.policy",
            value: "delete".to_owned(),
            rule: Rule::Words,
            weight: Weight::Breaks,
        },
        Setting { name: "retention.ms", value: ms.to_string(), rule: Rule::AtLeast(least), weight },
        Setting { name: "retention.bytes", value: "-1".to_owned(), rule: Rule::Exactly, weight },
    ]
}

/// Of a topic that keeps the last record of each key; a name that was forgotten is off the disk after a day or two.
fn compacted() -> [Setting; 3] {
    let day = MS_PER_DAY.to_string();
    [
        Setting {
            name: "cleanup.policy",
            value: "compact".to_owned(),
            rule: Rule::Words,
            weight: Weight::Breaks,
        },
        Setting {
            name: "max.compaction.lag.ms",
            value: day.clone(),
            rule: Rule::Exactly,
            weight: Weight::Weakens,
        },
        Setting {
            name: "delete.retention.ms",
            value: day,
            rule: Rule::AtLeast(MS_PER_DAY),
            weight: Weight::Weakens,
        },
    ]
}

impl Setting {
    fn breaking(name: &'static str, value: &str) -> Self {
        Self { name, value: value.to_owned(), rule: Rule::Exactly, weight: Weight::Breaks }
    }

    fn accepts(&self, found: &str) -> bool {
        match self.rule {
            Rule::Exactly => found == self.value,
            Rule::Words => found.split(',').map(str::trim).eq([self.value.as_str()]),
            Rule::AtLeast(least) => found.parse::<i64>().is_ok_and(|found| found < 0 || found >= least),
        }
    }

    fn wants(&self) -> String {
        match self.rule {
            Rule::AtLeast(least) => format!("at least {least}"),
            Rule::Exactly | Rule::Words => self.value.clone(),
        }
    }

    fn command(&self, brokers: &str, topic: &str) -> String {
        format!(
            "kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics --entity-name {topic} \
             --add-config {}={}",
            self.name, self.value
        )
    }
}

#[cfg(test)]
mod tests;
