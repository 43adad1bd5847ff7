//! The only way to an installation: through its owner, or by becoming the owner for as long as it takes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_audit::Recounted;
use tally_clickhouse::{Credentials, Database, Layout};
use tally_domain::Secret;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{NowError, Settled, StatusReport};
use crate::installation::{DataDir, InstallationError, Owner, SecretFile};
use crate::parts::Takes;
use crate::shared::{Failure, Positions};
use crate::supervise::{Node, StartError};

/// How long to wait for an owner that is starting or stopping.
const OWNER_WAIT: Duration = Duration::from_mins(2);
/// How often to look meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An installation that answers.
#[derive(Debug)]
pub struct Attached {
    owner: Owner,
    database: Option<Database>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Ours until dropped.
    Own(Option<Box<Node>>),
    /// Another process's.
    Other(Box<Other>),
}

/// The owner is another process; it stays for as long as the lease is read from.
#[derive(Debug)]
struct Other {
    runtime: Arc<tokio::runtime::Runtime>,
    client: reqwest::Client,
    _lease: reqwest::Response,
}

/// Why an installation cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It is owned by a process that does not answer.
    #[error("{0}; it has not answered for two minutes: if it hangs, end it")]
    Silent(InstallationError),
    /// It runs by another clock.
    #[error(
        "process {pid} runs this installation by the clock {theirs}, --clock says {ours}; stop it, or leave --clock out"
    )]
    OtherClock {
        /// The owner.
        pid: u32,
        /// Its clock.
        theirs: Clock,
        /// What was asked for.
        ours: Clock,
    },
    /// The owner stopped answering.
    #[error("asking process {pid} at {url}: {cause}")]
    Asking {
        /// The owner.
        pid: u32,
        /// What was asked.
        url: String,
        /// Why there is no answer.
        cause: String,
    },
    /// Another log has taken the place of the one that was attached to.
    #[error(
        "process {pid} owns this installation now, and its log is another than the one that this command has used; run it again"
    )]
    OtherLog {
        /// The owner.
        pid: u32,
    },
    /// Nobody can say what "now" is.
    #[error(transparent)]
    Now(#[from] NowError),
    /// The owner is a part that needs no ClickHouse.
    #[error(
        "process {pid}, which owns this data directory, knows no ClickHouse; start it with clickhouse.url, or use another \
         --data-dir"
    )]
    NoClickHouse {
        /// The owner.
        pid: u32,
    },
    /// The owner is a part that takes no usage.
    #[error(
        "process {pid}, which owns this data directory, takes no usage; set collector.url to where a `tally collect` \
         answers, such as TALLY__COLLECTOR__URL=http://collector:8081, or use another --data-dir"
    )]
    NoCollector {
        /// The owner.
        pid: u32,
    },
    /// The secret of the installation.
    #[error(transparent)]
    Secret(InstallationError),
    /// A name in the configuration.
    #[error(transparent)]
    Name(#[from] tally_clickhouse::layout::BadName),
}

impl Attached {
    /// Finds the owner of the configured data directory, or becomes it. `executable` is this program; `collects`: it
    /// will have usage to send.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn to(config: &Config, clock: Clock, executable: &Path, collects: bool) -> Result<Self, AttachError> {
        // A collector elsewhere takes what there is to send.
        let collects = collects && config.collector.url.is_empty();
        let dir = DataDir::new(&config.data_dir);
        let begun = Instant::now();
        let runtime = Arc::new(runtime()?);
        loop {
            let in_use = match dir.own() {
                Ok(ownership) => {
                    let node = Node::start(
                        ownership,
                        &quiet(config),
                        clock,
                        executable,
                        Takes::of_command(config, collects),
                    )?;
                    let (owner, database) = (node.owner().clone(), node.database().cloned());
                    return Ok(Self { owner, database, way: Way::Own(Some(Box::new(node))) });
                }
                Err(in_use @ InstallationError::InUse { .. }) => in_use,
                Err(other) => return Err(StartError::from(other).into()),
            };
            if let Some(attached) = dir.owner().and_then(|owner| Self::through(owner, config, &runtime).ok())
            {
                return attached.with_clock(clock);
            }
            if begun.elapsed() > OWNER_WAIT {
                return Err(AttachError::Silent(in_use));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Looks once whether an owner answers, perhaps another process at other addresses, after the one that was attached
    /// to did not. False while nobody does; from true on everything is asked of that one.
    ///
    /// # Errors
    /// When its log is another: no position in the former one says anything of this.
    pub fn again(&mut self, config: &Config) -> Result<bool, AttachError> {
        // Where this process is the owner, nobody else can be.
        let Way::Other(other) = &self.way else { return Ok(false) };
        let owner = DataDir::new(&config.data_dir).owner();
        let attached = owner.and_then(|owner| Self::through(owner, config, &other.runtime).ok());
        let Some(attached) = attached else { return Ok(false) };
        if attached.owner.topic != self.owner.topic {
            return Err(AttachError::OtherLog { pid: attached.owner.pid });
        }
        *self = attached;
        Ok(true)
    }

    fn through(
        owner: Owner,
        config: &Config,
        runtime: &Arc<tokio::runtime::Runtime>,
    ) -> Result<Self, AttachError> {
        let client =
            reqwest::Client::builder().no_proxy().build().map_err(|cause| asking(&owner, "", &cause))?;
        let url = format!("{}/v1/lease", owner.control);
        let lease = runtime.block_on(async { client.get(&url).send().await?.error_for_status() });
        let lease = lease.map_err(|cause| asking(&owner, &url, &cause))?;
        let settings = &config.clickhouse;
        let layout = Layout::new(&owner.database, &settings.prefix, None, 60)?;
        let credentials = (!settings.url.is_empty()).then(|| Credentials {
            user: settings.user.clone(),
            password: settings.password.expose().to_owned(),
        });
        let database = owner.clickhouse.as_ref().map(|url| Database::new(url, credentials.as_ref(), layout));
        let runtime = Arc::clone(runtime);
        Ok(Self { owner, database, way: Way::Other(Box::new(Other { runtime, client, _lease: lease })) })
    }

    fn with_clock(self, ours: Clock) -> Result<Self, AttachError> {
        let theirs = self.owner.clock.map_or(Clock::System, Clock::Fixed);
        match ours {
            Clock::Fixed(_) if ours != theirs => {
                Err(AttachError::OtherClock { pid: self.owner.pid, theirs, ours })
            }
            _ => Ok(self),
        }
    }

    /// Where the owner can be reached.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The tables.
    ///
    /// # Errors
    /// When the owner knows no ClickHouse.
    pub fn database(&self) -> Result<&Database, AttachError> {
        self.database.as_ref().ok_or(AttachError::NoClickHouse { pid: self.owner.pid })
    }

    /// Where ClickHouse answers, for any client.
    ///
    /// # Errors
    /// When the owner knows no ClickHouse.
    pub fn clickhouse(&self) -> Result<&str, AttachError> {
        self.owner.clickhouse.as_deref().ok_or(AttachError::NoClickHouse { pid: self.owner.pid })
    }

    /// The collector that takes usage: the configured one, or the owner's.
    ///
    /// # Errors
    /// When there is neither.
    pub fn collector(&self, config: &Config) -> Result<String, AttachError> {
        if !config.collector.url.is_empty() {
            return Ok(config.collector.url.trim_end_matches('/').to_owned());
        }
        self.owner.collector.clone().ok_or(AttachError::NoCollector { pid: self.owner.pid })
    }

    /// The installation's secret.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn secret(&self) -> Result<Secret, AttachError> {
        SecretFile::at(&self.owner.secret_file).read().map_err(AttachError::Secret)
    }

    /// A runtime for what is asked of ClickHouse or the ranker.
    ///
    /// # Panics
    /// Never: the node is there until this is dropped.
    #[must_use]
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        match &self.way {
            Way::Own(node) => node.as_ref().expect("the node is there until this is dropped").runtime(),
            Way::Other(other) => &other.runtime,
        }
    }

    /// Appends one heartbeat to every partition: the positions after them are "now".
    ///
    /// # Errors
    /// When the owner does not answer, or its log takes nothing.
    pub fn now(&self) -> Result<Positions, AttachError> {
        match &self.way {
            Way::Own(Some(node)) => Ok(node.control().now()?),
            _ => self.ask(reqwest::Method::POST, "/v1/now", &()),
        }
    }

    /// Makes every key be published anew; done when progress passes what comes back.
    ///
    /// # Errors
    /// When the owner does not answer, or a part of it stopped.
    pub fn republish(&self) -> Result<Positions, AttachError> {
        match &self.way {
            Way::Own(Some(node)) => Ok(node.runtime().block_on(node.control().republish())?),
            _ => self.ask(reqwest::Method::POST, "/v1/republish", &()),
        }
    }

    /// Waits until `positions` are published and archived. What it gives back names who is behind, if `wait`
    /// was too short or a part stopped.
    ///
    /// # Errors
    /// When the owner does not answer, or knows no ClickHouse.
    pub fn settle(&self, positions: &Positions, wait: Duration) -> Result<Settled, AttachError> {
        let _is_known = self.database()?;
        let begun = Instant::now();
        loop {
            let left = wait.saturating_sub(begun.elapsed());
            let settled = if let Way::Own(Some(node)) = &self.way {
                node.runtime().block_on(node.control().settled(positions, left))
            } else {
                let path = format!("/v1/settled?wait_ms={}", left.as_millis());
                self.ask(reqwest::Method::POST, &path, positions)?
            };
            let over = settled.behind.is_empty() || Failure::stopped(&settled.failures).is_some();
            if over || begun.elapsed() >= wait {
                return Ok(settled);
            }
        }
    }

    /// Waits until a complete ranking has passed `positions`. False when `wait` was too short or a part failed.
    ///
    /// # Errors
    /// When the owner does not answer.
    pub fn snapshot(&self, positions: &Positions, wait: Duration) -> Result<bool, AttachError> {
        if let Way::Own(Some(node)) = &self.way {
            return Ok(node.runtime().block_on(node.control().ranked(positions, wait)));
        }
        let path = format!("/v1/ranked?wait_ms={}", wait.as_millis());
        self.ask(reqwest::Method::POST, &path, positions)
    }

    /// What every part of the owner says of itself.
    ///
    /// # Errors
    /// When the owner does not answer.
    pub fn status(&self) -> Result<StatusReport, AttachError> {
        match &self.way {
            Way::Own(Some(node)) => Ok(node.control().status()),
            _ => self.ask(reqwest::Method::GET, "/v1/status", &()),
        }
    }

    /// Tells the owner what a verification found, for its metrics.
    ///
    /// # Errors
    /// When the owner does not answer.
    pub fn tell_recounted(&self, found: &Recounted) -> Result<(), AttachError> {
        match &self.way {
            Way::Own(_) => {
                tally_telemetry::emit(found);
                Ok(())
            }
            Way::Other(_) => self.ask(reqwest::Method::POST, "/v1/recounted", found),
        }
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, AttachError> {
        let Way::Other(other) = &self.way else {
            return Err(asking(&self.owner, path, &"this process is the owner"));
        };
        let url = format!("{}{path}", self.owner.control);
        let answer = other.runtime.block_on(async {
            let response = other.client.request(method, &url).json(body).send().await?;
            let status = response.status();
            if status.is_success() {
                return response.json().await.map(Ok);
            }
            // The owner says why in its own words.
            response.text().await.map(|why| Err(format!("{status}: {why}")))
        });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refused)) => Err(asking(&self.owner, &url, &refused)),
            Err(cause) => Err(asking(&self.owner, &url, &cause)),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Way::Own(node) = &mut self.way
            && let Some(node) = node.take()
        {
            node.stop();
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    built.map_err(StartError::Thread)
}

fn asking(owner: &Owner, url: &str, cause: &dyn std::fmt::Display) -> AttachError {
    AttachError::Asking { pid: owner.pid, url: url.to_owned(), cause: cause.to_string() }
}

/// A short-lived owner takes any free address: it must not be in the way of one that stays.
fn quiet(config: &Config) -> Config {
    let mut config = config.clone();
    for listen in [&mut config.collector.listen, &mut config.ranker.listen, &mut config.admin.listen] {
        listen.set_port(0);
    }
    config
}
