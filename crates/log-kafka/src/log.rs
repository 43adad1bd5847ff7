//! Opening: topics made or found, held against what is wanted, and known by their ids.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication, TopicResult};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use tally_domain::{Lane, PartitionCount, Topic, TopicId};
use tally_log::LogError;

use crate::appender::{Appender, Outlet};
use crate::config::KafkaConfig;
use crate::context::{Context, trouble_of};
use crate::error::{refused, service, unknown};
use crate::ownership::Membership;
use crate::reader::{Reader, introduce};
use crate::token::set_token;
use crate::topic_id::topic_id;
use crate::topics::{Difference, Found, Wanted, Weight};

/// Why a log on Kafka does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Brokers do not answer, or a setting is wrong.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Existing topics would break the promise.
    #[error("opening the log on Kafka: {}", lines(.0))]
    Contradicts(Vec<Difference>),
    /// Topics are missing and cannot be made.
    #[error("opening the log on Kafka: {cause}; have them made, then start again:\n{commands}")]
    Missing {
        /// Which, and why they were not made.
        cause: String,
        /// For whoever may make them, one a line.
        commands: String,
    },
}

fn lines(differences: &[Difference]) -> String {
    let mut text = String::from("existing topics would break the promise:");
    for difference in differences {
        write!(text, "\n{difference}").expect("a String takes all");
    }
    text
}

/// The log of one prefix on one cluster: handles for readers and appenders.
#[derive(Debug)]
pub struct KafkaLog {
    installed: Arc<Installed>,
    outlet: Arc<Outlet>,
}

/// What opening did and found.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Opened {
    /// Topics that were missing and were made.
    pub created: Vec<String>,
    /// What weakens existing topics, to be shown.
    pub differs: Vec<Difference>,
}

/// What every handle knows.
pub(crate) struct Installed {
    pub(crate) config: KafkaConfig,
    /// For questions, of all readers; it fetches nothing.
    pub(crate) asker: BaseConsumer<Context>,
    partitions: PartitionCount,
    /// In the order of [`Topic::ALL`].
    topics: Vec<(Topic, String, TopicId)>,
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").field("topics", &self.topics).finish_non_exhaustive()
    }
}

impl Installed {
    pub(crate) fn check(&self, lane: Lane) -> Result<(), LogError> {
        let partitions = self.partitions.get();
        if lane.partition.0 < partitions { Ok(()) } else { Err(LogError::NoSuchLane { lane, partitions }) }
    }

    pub(crate) fn name(&self, topic: Topic) -> &str {
        &self.of(topic).1
    }

    pub(crate) fn id(&self, topic: Topic) -> TopicId {
        self.of(topic).2
    }

    fn of(&self, topic: Topic) -> &(Topic, String, TopicId) {
        self.topics.iter().find(|(known, ..)| *known == topic).expect("every topic was opened")
    }
}

impl KafkaLog {
    /// Makes the topics that are missing, holds the others against what is wanted, and opens them.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: KafkaConfig) -> Result<(Self, Opened), OpenError> {
        let partitions = config.check()?;
        let cluster = Cluster::reach(&config)?;
        let wanted: Vec<(Topic, Wanted)> =
            Topic::ALL.into_iter().map(|topic| (topic, Wanted::of(&config, topic))).collect();
        let missing: Vec<&Wanted> = {
            let mut missing = Vec::new();
            for (_, wanted) in &wanted {
                if cluster.find(&wanted.name)?.is_none() {
                    missing.push(wanted);
                }
            }
            missing
        };
        cluster.create(&missing)?;
        let created: Vec<String> = missing.iter().map(|wanted| wanted.name.clone()).collect();
        let mut differs = Vec::new();
        for (_, wanted) in &wanted {
            let found = cluster.describe(&wanted.name)?;
            differs.extend(wanted.differences(&config.brokers, &found));
        }
        let (broken, weak): (Vec<_>, Vec<_>) =
            differs.into_iter().partition(|differs| differs.weight == Weight::Breaks);
        if !broken.is_empty() {
            return Err(OpenError::Contradicts(broken));
        }
        let mut topics = Vec::new();
        for (topic, wanted) in wanted {
            let id = cluster.id(&wanted.name)?;
            topics.push((topic, wanted.name, id));
        }
        let asker = cluster.consumer;
        let installed = Arc::new(Installed { config, asker, partitions, topics });
        let outlet = Arc::new(Outlet::new(Arc::clone(&installed)));
        Ok((Self { installed, outlet }, Opened { created, differs: weak }))
    }

    /// This life of the log: the id of its usage topic.
    #[must_use]
    pub fn topic_id(&self) -> TopicId {
        self.installed.id(Topic::Usage)
    }

    /// Partitions of every topic.
    #[must_use]
    pub fn partitions(&self) -> PartitionCount {
        self.installed.partitions
    }

    /// A reader for any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.installed))
    }

    /// Joins a group whose members share the partitions of the usage topic. `group` comes behind the prefix;
    /// `instance` is this process's name in it, which no other has and which outlives a restart.
    ///
    /// # Errors
    /// When the client cannot be made; that brokers do not answer is met by [`Membership::turn`].
    pub fn join(&self, group: &str, instance: &str) -> Result<Membership, LogError> {
        Membership::join(Arc::clone(&self.installed), group, instance)
    }

    /// An appender for any thread.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender::new(Arc::clone(&self.outlet))
    }
}

/// The brokers, as long as the log is being opened.
struct Cluster<'a> {
    config: &'a KafkaConfig,
    admin: AdminClient<Context>,
    consumer: BaseConsumer<Context>,
    answer: Duration,
}

impl<'a> Cluster<'a> {
    fn reach(config: &'a KafkaConfig) -> Result<Self, LogError> {
        let answer = Duration::from_millis(config.answer_timeout_ms.into());
        let doing = || format!("reaching the brokers {}", config.brokers);
        let consumer = BaseConsumer::from_config_and_context(&config.consumer(), Context::new(config))
            .map_err(|error| refused(doing(), &error, None))?;
        introduce(&consumer, answer)?;
        let admin = AdminClient::from_config_and_context(&config.client(), Context::new(config))
            .map_err(|error| refused(doing(), &error, None))?;
        // Nobody polls this client for its wish for a token.
        if let Some(token) = admin.inner().context().token() {
            set_token(admin.inner(), &token.map_err(|why| unknown(doing(), why))?)
                .map_err(|why| unknown(doing(), why))?;
        }
        Ok(Self { config, admin, consumer, answer })
    }

    fn trouble(&self) -> Option<String> {
        trouble_of(&self.consumer)
    }

    /// A topic, if it is there and whole.
    fn find(&self, name: &str) -> Result<Option<(usize, usize)>, LogError> {
        let doing = || format!("asking the brokers {} for the topic {name}", self.config.brokers);
        let found = self
            .consumer
            .fetch_metadata(Some(name), self.answer)
            .map_err(|error| refused(doing(), &error, self.trouble().as_deref()))?;
        let Some(topic) = found.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        match topic.error().map(Code::from) {
            None => Ok(Some(shape(topic))),
            // Who may not see a topic may not know whether it is there; making it will tell.
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::TopicAuthorizationFailed) => {
                Ok(None)
            }
            Some(code) => Err(service(doing(), code, self.trouble().as_deref())),
        }
    }

    /// Makes topics and waits until every broker knows them.
    fn create(&self, missing: &[&Wanted]) -> Result<(), OpenError> {
        if missing.is_empty() {
            return Ok(());
        }
        let asked: Vec<NewTopic<'_>> = missing.iter().map(|wanted| new_topic(wanted)).collect();
        let options =
            AdminOptions::new().request_timeout(Some(self.answer)).operation_timeout(Some(self.answer));
        let names: Vec<&str> = missing.iter().map(|wanted| wanted.name.as_str()).collect();
        let made = block_on(self.admin.create_topics(&asked, &options)).map_err(|error| {
            refused(format!("making the topics {}", names.join(", ")), &error, self.trouble().as_deref())
        })?;
        let failed: Vec<(String, Code)> = made.into_iter().filter_map(failure).collect();
        if !failed.is_empty() {
            return Err(self.not_made(missing, &failed));
        }
        let until = Instant::now() + self.answer;
        for wanted in missing {
            while self.find(&wanted.name)?.is_none_or(|(partitions, _)| partitions == 0) {
                if Instant::now() >= until {
                    let doing = format!("waiting for the new topic {}", wanted.name);
                    return Err(service(doing, Code::OperationTimedOut, self.trouble().as_deref()).into());
                }
                drop(self.consumer.poll(Duration::from_millis(20)));
            }
        }
        Ok(())
    }

    fn not_made(&self, missing: &[&Wanted], failed: &[(String, Code)]) -> OpenError {
        let causes: Vec<String> = failed.iter().map(|(name, code)| format!("{name}: {code}")).collect();
        let of_failed = missing.iter().filter(|wanted| failed.iter().any(|(name, _)| *name == wanted.name));
        let commands: Vec<String> = of_failed.map(|wanted| wanted.command(&self.config.brokers)).collect();
        OpenError::Missing {
            cause: format!("topics are missing and could not be made ({})", causes.join(", ")),
            commands: commands.join("\n"),
        }
    }

    fn describe(&self, name: &str) -> Result<Found, LogError> {
        let (partitions, replication) = self.find(name)?.unwrap_or_default();
        let options = AdminOptions::new().request_timeout(Some(self.answer));
        let described = block_on(self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options))
            .map_err(|error| {
                refused(format!("asking for the settings of {name}"), &error, self.trouble().as_deref())
            })?;
        let settings = described.into_iter().next().and_then(Result::ok).map(|resource| {
            let entries = resource.entries.into_iter();
            entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
        });
        Ok(Found { partitions, replication, settings })
    }

    fn id(&self, name: &str) -> Result<TopicId, LogError> {
        topic_id(self.consumer.client(), name, self.answer)
            .map_err(|code| service(format!("asking for the id of {name}"), code, self.trouble().as_deref()))
    }
}

fn new_topic(wanted: &Wanted) -> NewTopic<'_> {
    let (partitions, replication) = (wanted.partitions.into(), wanted.replication.into());
    let topic = NewTopic::new(&wanted.name, partitions, TopicReplication::Fixed(replication));
    wanted.settings.iter().fold(topic, |topic, setting| topic.set(setting.name, &setting.value))
}

/// What was not made; another instance may have made it at the same moment.
fn failure(made: TopicResult) -> Option<(String, Code)> {
    made.err().filter(|(_, code)| *code != Code::TopicAlreadyExists)
}

/// Partitions, and the copies of the one that has the fewest; no partitions while one of them has no leader.
fn shape(topic: &MetadataTopic) -> (usize, usize) {
    let partitions = topic.partitions();
    let fails = |error: Option<RDKafkaRespErr>| error.is_some();
    if partitions.iter().any(|partition| partition.leader() < 0 && fails(partition.error())) {
        return (0, 0);
    }
    let replication = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
    (partitions.len(), replication)
}
