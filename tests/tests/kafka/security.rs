//! TLS, SCRAM-SHA-512 and OAUTHBEARER against a real broker, by a user who may make no topics.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tally_domain::{Lane, Partition, Topic};
use tally_log::{AppendLog, ReadLog, Records};
use tally_log_kafka::{KafkaConfig, KafkaLog, OpenError, Opened, Password, Sasl, Security, Tls};
use tally_tests::broker::{Kafka, Plan};

use super::config;

const LANE: Lane = Lane { topic: Topic::Usage, partition: Partition(2) };
const STORE_PASSWORD: &str = "of-the-key-store";
const USER: &str = "tally";
const PASSWORD: &str = "of-the-user";

/// A certificate of the broker, signed by itself: the key store for the broker, the PEM file for clients.
fn certificate(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (store, pem) = (dir.join(format!("{name}.p12")), dir.join(format!("{name}.pem")));
    let keytool = |args: &[&str]| {
        let done = Command::new("keytool")
            .args(args)
            .args(["-alias", "broker", "-storepass", STORE_PASSWORD, "-keystore"])
            .arg(&store)
            .output()
            .expect("keytool comes with Java");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    };
    keytool(&[
        "-genkeypair",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-dname",
        "CN=localhost",
        "-validity",
        "2",
        "-ext",
        "SAN=ip:127.0.0.1",
        "-storetype",
        "PKCS12",
    ]);
    keytool(&["-exportcert", "-rfc", "-file", &pem.to_string_lossy()]);
    (store, pem)
}

fn plan(store: &Path) -> Plan {
    let settings = [
        ("ssl.keystore.type", "PKCS12".to_owned()),
        ("ssl.keystore.location", store.display().to_string()),
        ("ssl.keystore.password", STORE_PASSWORD.to_owned()),
        ("listener.name.scram.sasl.enabled.mechanisms", "SCRAM-SHA-512".to_owned()),
        (
            "listener.name.scram.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned(),
        ),
        ("listener.name.token.sasl.enabled.mechanisms", "OAUTHBEARER".to_owned()),
        (
            "listener.name.token.oauthbearer.sasl.jaas.config",
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
             unsecuredLoginStringClaim_sub=\"broker\";"
                .to_owned(),
        ),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
        // Whoever comes by the plain listener: the test itself, and the broker to itself.
        ("super.users", "User:ANONYMOUS".to_owned()),
    ];
    Plan {
        brokers: 1,
        settings: settings.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        listeners: vec![("SCRAM", "SASL_SSL"), ("TOKEN", "SASL_PLAINTEXT")],
        behind_doors: false,
        format: vec!["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")],
    }
}

/// Gives the user READ, WRITE, DESCRIBE and DESCRIBE_CONFIGS on the topics of a prefix, by `CreateAcls`, version 1.
fn allow(broker: &str, prefix: &str) {
    let text = |text: &str| {
        let length = i16::try_from(text.len()).unwrap().to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    };
    let (topic, prefixed, allow) = (2, 4, 3);
    let operations = [3, 4, 8, 10];
    let mut request = [&30_i16.to_be_bytes()[..], &1_i16.to_be_bytes(), &7_i32.to_be_bytes()].concat();
    request.extend(text("rights"));
    request.extend(i32::try_from(operations.len()).unwrap().to_be_bytes());
    for operation in operations {
        request.push(topic);
        request.extend(text(prefix));
        request.push(prefixed);
        request.extend(text(&format!("User:{USER}")));
        request.extend(text("*"));
        request.extend([operation, allow]);
    }
    let mut connection = TcpStream::connect(broker).unwrap();
    connection.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    connection.write_all(&request).unwrap();
    let mut length = [0; 4];
    connection.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    connection.read_exact(&mut answer).unwrap();
    // Correlation, throttle, count; then of each an error code and an empty text.
    let none_failed = [&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 4][..], &[0; 16]].concat();
    assert_eq!(answer, none_failed);
}

fn scram(password: &str) -> Sasl {
    Sasl::ScramSha512 { user: USER.to_owned(), password: Password(password.to_owned()) }
}

/// An unsigned token: this broker takes any.
fn token(dir: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"{USER}","iat":{now},"exp":{}}}"#, now + 600);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let file = dir.join("token");
    fs::write(&file, format!("{}.{}.\n", part(r#"{"alg":"none"}"#), part(&claims))).unwrap();
    file
}

fn append_and_read(log: &KafkaLog, value: &[u8]) {
    let mut appender = log.appender();
    appender.append(LANE, b"k", Some(value)).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    let mut decided = Vec::new();
    while decided.is_empty() {
        assert!(Instant::now() < until, "the append is acknowledged");
        appender.wait(Duration::from_millis(50));
        appender.acknowledged(&mut decided);
    }
    let offset = *decided[0].1.as_ref().unwrap();
    let mut records = Records::default();
    log.reader().read(LANE, offset, 1 << 20, &mut records).unwrap();
    assert_eq!(records.get(0).unwrap().value, Some(value));
}

fn refusal(config: &KafkaConfig) -> String {
    let brief = KafkaConfig { answer_timeout_ms: 5_000, ..config.clone() };
    KafkaLog::open(brief).expect_err("the broker refuses this client").to_string()
}

#[test]
fn tls_scram_and_tokens_prove_who_is_who_and_rights_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ca) = certificate(dir.path(), "broker");
    let (_, stranger) = certificate(dir.path(), "stranger");
    let kafka = Kafka::start(&plan(&store)).unwrap();
    let plain = config(kafka.brokers());
    allow(&kafka.brokers(), &plain.prefix);
    let (log, _) = KafkaLog::open(plain.clone()).unwrap();
    append_and_read(&log, b"by whoever may do anything");

    let tls = |ca: &Path| Some(Tls { ca: Some(ca.to_owned()), ..Tls::default() });
    let by_scram = |ca, password| KafkaConfig {
        brokers: kafka.addresses("SCRAM"),
        security: Security { tls: tls(ca), sasl: Some(scram(password)) },
        ..plain.clone()
    };
    let (log, opened) = KafkaLog::open(by_scram(&ca, PASSWORD)).unwrap();
    assert_eq!(opened, Opened::default(), "it starts on what is there");
    append_and_read(&log, b"by SCRAM over TLS");

    let by_token = KafkaConfig {
        brokers: kafka.addresses("TOKEN"),
        security: Security { tls: None, sasl: Some(Sasl::OauthBearer { token_file: token(dir.path()) }) },
        ..plain.clone()
    };
    let (log, _) = KafkaLog::open(by_token.clone()).unwrap();
    append_and_read(&log, b"by a token");

    let told = refusal(&by_scram(&ca, "guessed"));
    assert!(told.contains("check the mechanism, user and password"), "{told}");
    let told = refusal(&by_scram(&stranger, PASSWORD));
    assert!(told.contains("check the certificates"), "{told}");
    fs::remove_file(dir.path().join("token")).unwrap();
    let told = refusal(&by_token);
    assert!(told.contains("reading the token file") && told.contains("No such file"), "{told}");

    let elsewhere = KafkaConfig { prefix: "elsewhere.".to_owned(), ..by_scram(&ca, PASSWORD) };
    let Err(OpenError::Missing { cause, commands }) = KafkaLog::open(elsewhere) else {
        panic!("this user may make no topics")
    };
    assert!(cause.contains("elsewhere.usage"), "{cause}");
    assert_eq!(commands.lines().count(), Topic::ALL.len());
    assert!(
        commands.lines().all(|line| line.starts_with("kafka-topics.sh --bootstrap-server ")),
        "{commands}"
    );
}
