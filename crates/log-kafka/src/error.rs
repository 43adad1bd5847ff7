//! What brokers and librdkafka refuse, said with what to do about it.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use tally_log::LogError;

/// The error of something that was asked of the brokers; `trouble` is what the client saw meanwhile.
pub(crate) fn service(doing: impl Into<String>, code: Code, trouble: Option<&str>) -> LogError {
    let cause = match trouble {
        Some(trouble) => format!("{code} ({trouble})"),
        None => code.to_string(),
    };
    LogError::Service { doing: doing.into(), cause, remedy: remedy(code, trouble.unwrap_or_default()) }
}

/// The same, of an error of the wrapper.
pub(crate) fn refused(doing: impl Into<String>, error: &KafkaError, trouble: Option<&str>) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => service(doing, code, trouble),
        None => LogError::Service {
            doing: doing.into(),
            cause: error.to_string(),
            remedy: "check the settings of [kafka]",
        },
    }
}

/// This client cannot say who it is.
pub(crate) fn unknown(doing: impl Into<String>, cause: String) -> LogError {
    let remedy = "check kafka.token_file, and what keeps the file fresh";
    LogError::Service { doing: doing.into(), cause, remedy }
}

fn remedy(code: Code, trouble: &str) -> &'static str {
    match code {
        Code::GroupAuthorizationFailed => {
            "give this user READ and DESCRIBE on the groups that begin with the prefix"
        }
        Code::FencedInstanceId => {
            "it joins again by itself; where this goes on, two processes have one instance name: stop one of them, or give \
             it another kafka.instance"
        }
        Code::InconsistentGroupProtocol => {
            "another program is in this group: stop it, or choose another kafka.prefix"
        }
        Code::InvalidSessionTimeout => {
            "set kafka.session_timeout_ms between the brokers' group.min.session.timeout.ms and \
             group.max.session.timeout.ms"
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            "give this user READ, WRITE, DESCRIBE and DESCRIBE_CONFIGS on the topics that begin with the prefix"
        }
        Code::SaslAuthenticationFailed | Code::Authentication => {
            "check the mechanism, user and password (kafka.sasl, kafka.user, kafka.password), and that the broker knows them"
        }
        Code::SSL => "check the certificates (kafka.ca, kafka.certificate, kafka.key)",
        Code::UnknownTopicOrPartition | Code::UnknownTopic => {
            "the topic is gone: give it back, or begin a new installation"
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            "too few copies are alive: start the brokers that are down"
        }
        _ if trouble.contains("uthentication") || trouble.contains("SASL") => {
            "check the mechanism, user and password (kafka.sasl, kafka.user, kafka.password), and that the broker knows them"
        }
        _ if trouble.contains("ssl") || trouble.contains("SSL") => {
            "check the certificates (kafka.ca, kafka.certificate, kafka.key), and that this listener of the broker speaks TLS"
        }
        _ => "check that the brokers run and that kafka.brokers names them; it may be tried again",
    }
}
