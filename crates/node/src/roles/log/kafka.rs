//! The log on Kafka, as the settings describe it.

use std::path::{Path, PathBuf};

use tally_log::{LogError, RetentionDays};
use tally_log_kafka::{
    Compression, Difference, KafkaConfig, KafkaLog, Membership, Opened, Password, Sasl, Security, Tls,
};
use tally_telemetry::{Counter, Level, Occurrence, Recorder, emit};

use crate::config::{self, Config, SaslMechanism};
use crate::supervise::StartError;

const MADE: Counter = Counter::new("tally_kafka_topics_made_total", "topics that were missing and were made");
const WEAK: Counter =
    Counter::new("tally_kafka_topics_weaker_total", "settings of topics that keep less than was asked for");

/// Opens the topics of the configured prefix, makes those that are missing, and tells how others differ.
///
/// # Errors
/// When brokers do not answer, or topics contradict the promise.
pub(super) fn open(config: &Config) -> Result<KafkaLog, StartError> {
    let (log, Opened { created, differs }) = KafkaLog::open(settings(config))?;
    if !created.is_empty() {
        emit(&TopicsMade(&created));
    }
    for difference in &differs {
        emit(&TopicWeaker(difference));
    }
    Ok(log)
}

fn settings(config: &Config) -> KafkaConfig {
    let (kafka, retention) = (&config.kafka, &config.log.retention);
    KafkaConfig {
        brokers: kafka.brokers.clone(),
        prefix: kafka.prefix.clone(),
        partitions: kafka.partitions,
        replication: kafka.replication,
        min_insync: kafka.min_insync,
        retention_days: RetentionDays {
            usage: retention.usage_days,
            outcomes: retention.outcomes_days,
            rejects: retention.rejects_days,
            alerts: retention.alerts_days,
        },
        compression: match kafka.compression {
            config::Compression::Lz4 => Compression::Lz4,
            config::Compression::Zstd => Compression::Zstd,
        },
        linger_ms: kafka.linger_ms,
        batch_bytes: kafka.batch_max_bytes,
        delivery_timeout_ms: kafka.delivery_timeout_ms,
        answer_timeout_ms: kafka.answer_timeout_ms,
        pending_bytes_max: kafka.pending_max_bytes,
        record_bytes_max: kafka.record_max_bytes,
        fetch_bytes_max: kafka.fetch_max_bytes,
        session_timeout_ms: kafka.session_timeout_ms,
        release_timeout_ms: kafka.release_timeout_ms,
        security: security(&config.kafka),
    }
}

fn security(kafka: &config::KafkaConfig) -> Security {
    let file = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    let password = |secret: &config::Secret| Password(secret.expose().to_owned());
    let tls = kafka.tls.then(|| Tls {
        ca: file(&kafka.ca),
        certificate: file(&kafka.certificate),
        key: file(&kafka.key),
        key_password: Some(password(&kafka.key_password)).filter(|password| !password.0.is_empty()),
    });
    let (user, password) = (kafka.user.clone(), password(&kafka.password));
    let sasl = match kafka.sasl {
        SaslMechanism::None => None,
        SaslMechanism::Plain => Some(Sasl::Plain { user, password }),
        SaslMechanism::ScramSha256 => Some(Sasl::ScramSha256 { user, password }),
        SaslMechanism::ScramSha512 => Some(Sasl::ScramSha512 { user, password }),
        SaslMechanism::OauthBearer => Some(Sasl::OauthBearer { token_file: kafka.token_file.clone() }),
    };
    Security { tls, sasl }
}

/// Joins the configured group.
///
/// # Errors
/// When the client cannot be made.
pub(super) fn join(log: &KafkaLog, config: &Config, group: &str) -> Result<Membership, LogError> {
    log.join(group, &instance(config))
}

/// The configured name of this instance within its group, or one that a restart finds again.
fn instance(config: &Config) -> String {
    if !config.kafka.instance.is_empty() {
        return config.kafka.instance.clone();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| PathBuf::from(&config.data_dir));
    let name = format!("{}{}", host.trim(), dir.display());
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    name.chars().map(plain).collect()
}

/// An installation begins.
struct TopicsMade<'a>(&'a [String]);

impl Occurrence for TopicsMade<'_> {
    const NAME: &'static str = "topics made";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&MADE, &[], u64::try_from(self.0.len()).unwrap_or(u64::MAX));
        to.note("topics", &self.0.join(", "));
    }
}

/// Less is kept, or fewer deaths are survived, than was asked for.
struct TopicWeaker<'a>(&'a Difference);

impl Occurrence for TopicWeaker<'_> {
    const NAME: &'static str = "a topic is weaker than it is set to be";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&WEAK, &[], 1);
        to.note("what", self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn with(settings: &[(&str, &str)]) -> Config {
        let set = |(name, value): &(&str, &str)| (format!("TALLY__KAFKA__{name}"), (*value).to_owned());
        let home = ("HOME".to_owned(), "/home/ada".to_owned());
        let environment = settings.iter().map(set).chain([home]).collect();
        load(&Sources { environment, ..Sources::default() }).unwrap().0
    }

    #[test]
    fn the_defaults_make_a_log_in_the_clear() {
        let told = settings(&with(&[("BROKERS", "kafka:9092")]));
        told.check().unwrap();
        assert_eq!(told.topic(tally_domain::Topic::Usage), "tally.usage");
        assert_eq!((told.retention_days.usage, told.security), (45, Security::default()));
    }

    #[test]
    fn flat_keys_become_certificates_and_proof_of_identity() {
        let config = with(&[
            ("TLS", "true"),
            ("CA", "/etc/ca.pem"),
            ("SASL", "SCRAM-SHA-512"),
            ("USER", "tally"),
            ("PASSWORD", "x"),
        ]);
        let tls = Tls { ca: Some(PathBuf::from("/etc/ca.pem")), ..Tls::default() };
        let sasl = Sasl::ScramSha512 { user: "tally".to_owned(), password: Password("x".to_owned()) };
        assert_eq!(settings(&config).security, Security { tls: Some(tls), sasl: Some(sasl) });
    }

    #[test]
    fn an_instance_has_the_name_it_was_given_or_one_of_its_own() {
        assert_eq!(instance(&with(&[("INSTANCE", "left")])), "left");
        let name = instance(&with(&[]));
        assert!(name.ends_with("-home-ada-.local-share-tally"), "{name}");
    }
}
