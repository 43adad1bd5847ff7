use super::*;

fn home() -> Sources {
    Sources {
        environment: BTreeMap::from([("HOME".to_owned(), "/home/ada".to_owned())]),
        ..Sources::default()
    }
}

fn with_environment(name: &str, value: &str) -> Sources {
    let mut sources = home();
    sources.environment.insert(name.to_owned(), value.to_owned());
    sources
}

fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("its.toml");
    fs::write(&path, text).unwrap();
    (dir, Sources { file: Some(path), ..home() })
}

fn refusal(sources: &Sources) -> String {
    let said = load(sources).unwrap_err().to_string();
    match &sources.file {
        Some(path) => said.replace(&path.display().to_string(), "FILE"),
        None => said,
    }
}

#[test]
fn the_defaults_stand_alone() {
    let (config, origins) = load(&home()).unwrap();
    assert_eq!(config.data_dir, Path::new("/home/ada/.local/share/tally"));
    assert_eq!(
        (config.log.partitions, config.log.sync, config.store.index_retention_days),
        (8, LogSync::Group, 400)
    );
    assert_eq!(config.web.listen.to_string(), "127.0.0.1:8080");
    assert!(origins.settings().all(|setting| setting.origin == Origin::Default));
    assert_eq!(
        origins.settings().count(),
        DEFAULTS.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count()
    );
}

#[test]
fn later_layers_win_and_every_value_knows_its_own() {
    let (_dir, mut sources) =
        with_file("[web]\nlisten = \"127.0.0.1:1\"\n[log]\npartitions = 4\n[store]\nmemory_mib = 100\n");
    sources.environment.insert("TALLY__LOG__PARTITIONS".to_owned(), "16".to_owned());
    sources.environment.insert("TALLY__WEB__LISTEN".to_owned(), "127.0.0.1:2".to_owned());
    sources.flags.push(Flag { key: "web.listen", flag: "--listen", value: "127.0.0.1:3".to_owned() });
    let (config, origins) = load(&sources).unwrap();
    assert_eq!((config.web.listen.port(), config.log.partitions, config.store.memory_mib), (3, 16, 100));
    assert_eq!(origins.of_key("web.listen"), Some(&Origin::Flag("--listen")));
    assert_eq!(
        origins.of_key("log.partitions"),
        Some(&Origin::Environment("TALLY__LOG__PARTITIONS".to_owned()))
    );
    assert_eq!(origins.of_key("store.memory_mib"), Some(&Origin::File(sources.file.clone().unwrap())));
    assert_eq!(origins.of_key("log.sync"), Some(&Origin::Default));
    let partitions = origins.settings().find(|setting| setting.key == "log.partitions").unwrap();
    assert_eq!(partitions.value, serde_json::json!(16));
}

#[test]
fn the_data_directory_comes_from_anywhere_and_brings_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display().to_string();
    fs::write(dir.path().join("tally.toml"), "log.partitions = 3\n").unwrap();
    for name in ["TALLY_DATA_DIR", "TALLY__DATA_DIR"] {
        let (config, origins) = load(&with_environment(name, &at)).unwrap();
        assert_eq!((config.data_dir.as_path(), config.log.partitions), (dir.path(), 3));
        assert_eq!(origins.of_key("data_dir"), Some(&Origin::Environment(name.to_owned())));
    }
    let flag = Flag { key: "data_dir", flag: "--data-dir", value: at.clone() };
    let (config, _) =
        load(&Sources { flags: vec![flag], ..with_environment("TALLY_DATA_DIR", "/elsewhere") }).unwrap();
    assert_eq!((config.data_dir.as_path(), config.log.partitions), (dir.path(), 3));
    fs::write(dir.path().join("tally.toml"), "data_dir = \"/elsewhere\"\n").unwrap();
    assert!(refusal(&with_environment("TALLY_DATA_DIR", &at)).contains("is found by it"));
    assert_eq!(
        refusal(&Sources::default()),
        "no data directory: give --data-dir or TALLY_DATA_DIR, or set HOME"
    );
}

#[test]
fn an_unknown_key_names_itself_its_origin_and_the_nearest() {
    let (_dir, sources) = with_file("[web]\nlissen = \"127.0.0.1:1\"\n");
    assert_eq!(refusal(&sources), "unknown key `web.lissen` from FILE: did you mean `web.listen`?");
    let (_dir, sources) = with_file("[lgo]\npartitions = 3\n");
    assert_eq!(refusal(&sources), "unknown key `lgo.partitions` from FILE: did you mean `log.partitions`?");
    let (_dir, sources) = with_file("[zebra]\nx = 3\n");
    assert_eq!(refusal(&sources), "unknown key `zebra.x` from FILE: `tally config` lists all keys");
    let (dir, sources) = with_file("");
    drop(dir);
    assert!(refusal(&sources).starts_with("reading the configuration FILE: "));
}

/// Every file of the crates that read settings, but for those that declare them.
fn readers(dir: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            readers(&path, into);
        } else if !path.ends_with("config.rs") {
            into.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// True when a file speaks of the section and reads the field. Sections that share a file hide each other's fields of
/// the same name.
fn is_read(key: &str, files: &[String]) -> bool {
    let mut path: Vec<&str> = key.split('.').collect();
    let field = path.pop().expect("a key has a name");
    let section = path.pop();
    let ends = |text: &str| !text.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let has = |file: &str, word: &str| file.split(word).skip(1).any(ends);
    let of_section = |file: &str| {
        section.is_none_or(|section| {
            let named = format!("{section}config").replace('_', "");
            has(file, &format!(".{section}")) || file.to_lowercase().contains(&named)
        })
    };
    files.iter().any(|file| of_section(file) && has(file, &format!(".{field}")))
}

#[test]
fn every_key_is_read_by_something() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for dir in ["node/src/roles", "tally/src"] {
        readers(&crates.join(dir), &mut files);
    }
    for file in ["attach.rs", "parts.rs", "supervise.rs", "sink.rs"] {
        files.push(fs::read_to_string(crates.join("node/src").join(file)).unwrap());
    }
    let (_, origins) = load(&home()).unwrap();
    let unread: Vec<&str> =
        origins.settings().map(|setting| setting.key.as_str()).filter(|key| !is_read(key, &files)).collect();
    assert_eq!(unread, [""; 0], "these keys of ops/tally.toml do nothing");
    assert!(!is_read("web.port", &files) && !is_read("engine.insert_max_rows_of", &files));
}

#[test]
fn an_unknown_variable_is_never_ignored() {
    assert_eq!(
        refusal(&with_environment("TALLY__WEB__LISTN", "x")),
        "unknown variable TALLY__WEB__LISTN in the environment: did you mean `TALLY__WEB__LISTEN`?"
    );
    assert_eq!(
        refusal(&with_environment("TALLY_DATADIR", "x")),
        "unknown variable TALLY_DATADIR in the environment: did you mean `TALLY_DATA_DIR`?"
    );
    load(&with_environment("TALLY_SHARED_DATA", "/x")).unwrap();
    load(&with_environment("TALLYHO", "/x")).unwrap();
    let (config, _) = load(&with_environment("TALLY_LOG", "debug")).unwrap();
    assert_eq!(config.diagnostics.filter, "debug");
}

#[test]
fn a_wrong_value_names_key_origin_and_what_would_do() {
    assert_eq!(
        refusal(&with_environment("TALLY__LOG__PARTITIONS", "many")),
        "`log.partitions` from environment TALLY__LOG__PARTITIONS must be a whole number such as 8, not \"many\""
    );
    let (_dir, sources) = with_file("[web]\nlisten = 8080\n");
    assert_eq!(refusal(&sources), "`web.listen` from FILE must be text in quotes, not \"8080\"");
    let (_dir, sources) = with_file("log.partitions = 0\n");
    assert_eq!(refusal(&sources), "`log.partitions` from FILE is 0: from 1 to 256");
    assert_eq!(
        refusal(&with_environment("TALLY__STORE__INDEX_RETENTION_DAYS", "30")),
        "`store.index_retention_days` from environment TALLY__STORE__INDEX_RETENTION_DAYS is 30: \
         the longest window and what may come late need at least 38"
    );
    assert_eq!(
        refusal(&with_environment("TALLY__WEB__LISTEN", "localhost")),
        "`web.listen` from environment TALLY__WEB__LISTEN: \"localhost\" is no address: write IP and port, such as 127.0.0.1:8080"
    );
    assert_eq!(
        refusal(&with_environment("TALLY__LOG__SYNC", "always")),
        "`log.sync` from environment TALLY__LOG__SYNC: \"always\" is none of `group`, `never`"
    );
    let (_dir, sources) = with_file("kafka.replication = 1\n");
    assert_eq!(
        refusal(&sources),
        "`kafka.min_insync` from default is 2: from 1 to kafka.replication: more copies than there are never have a record"
    );
    assert_eq!(
        refusal(&with_environment("TALLY__KAFKA__SASL", "SCRAM")),
        "`kafka.sasl` from environment TALLY__KAFKA__SASL: \"SCRAM\" is none of ``, `PLAIN`, `SCRAM-SHA-256`, \
         `SCRAM-SHA-512`, `OAUTHBEARER`"
    );
    let (_dir, sources) = with_file("[web\n");
    assert!(refusal(&sources).starts_with("the configuration FILE is not TOML: "), "{}", refusal(&sources));
}

#[test]
fn a_secret_is_not_shown() {
    let (config, origins) = load(&with_environment("TALLY__CLICKHOUSE__PASSWORD", "hunter2")).unwrap();
    assert_eq!(config.clickhouse.password.expose(), "hunter2");
    let shown = format!("{config:?} {origins:?}");
    assert!(!shown.contains("hunter2") && shown.contains("***"));
    for name in ["TALLY__KAFKA__PASSWORD", "TALLY__KAFKA__KEY_PASSWORD"] {
        let (config, origins) = load(&with_environment(name, "hunter2")).unwrap();
        assert!(!format!("{config:?} {origins:?}").contains("hunter2"), "{name}");
    }
    let (_dir, sources) = with_file("[clickhouse]\npassword = 4711\n");
    assert!(!refusal(&sources).contains("4711"), "{}", refusal(&sources));
}

/// The lines `TALLY__…: value` of the compose file, once each.
fn variables_of_the_compose_file() -> BTreeMap<String, String> {
    let text = include_str!("../../../../docker-compose.yml");
    let lines = text.lines().filter_map(|line| line.trim().split_once(": "));
    let variables = lines.filter(|(name, _)| name.starts_with("TALLY__"));
    variables.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

#[test]
fn every_variable_of_the_compose_file_is_a_setting() {
    let variables = variables_of_the_compose_file();
    assert!(variables.len() > 8, "the compose file sets things: {variables:?}");
    let mut sources = home();
    sources.environment.extend(variables);
    let (config, _) = load(&sources).unwrap();
    assert_eq!(config.kafka.brokers, "kafka:9092");
    assert_eq!(config.web.ranker_url, "http://rank:8082");
}
