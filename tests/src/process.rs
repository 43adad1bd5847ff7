//! A process of Tally, and its death.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::http;
use crate::owner::Owner;

/// How long a start may take on a busy machine.
const START_MAX: Duration = Duration::from_mins(3);
/// How long a child may outlive its parent.
const DEATH_MAX: Duration = Duration::from_secs(20);

/// A process that may still be starting; killed when dropped.
#[derive(Debug)]
pub struct Up {
    pub(crate) child: Child,
    pub(crate) data: PathBuf,
    pub(crate) said: PathBuf,
}

impl Up {
    /// Waits until it says where it is and that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with what it said.
    pub fn ready(&mut self) -> Result<Owner> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("tally up ended with {status}: {}", self.said());
            }
            let owner = Owner::read(&self.data).filter(|owner| owner.pid == u64::from(self.child.id()));
            if let Some(owner) = owner
                && http::send(&owner.control, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
            {
                return Ok(owner);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("tally up was not ready after {START_MAX:?}: {}", self.said());
    }

    /// All that it and those before it wrote.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Ctrl-C; waits for its end, which must be a clean one.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn interrupt(mut self) -> Result<()> {
        kill_process(process(self.id())?, Signal::INT).context("interrupting tally up")?;
        let ended = self.child.wait()?;
        ensure!(ended.success(), "tally up ended with {ended}: {}", self.said());
        Ok(())
    }

    /// Process ids of its children: its engine.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        children_of(self.child.id()).into_iter().map(|(id, _)| id).collect()
    }

    /// SIGKILL to it alone: its engine must see to its own end. Waits for that.
    ///
    /// # Errors
    /// When a child outlives it.
    pub fn kill_alone(mut self) -> Result<()> {
        let children = children_of(self.child.id());
        self.child.kill()?;
        self.child.wait()?;
        gone(&children)
    }

    /// SIGKILL to it and its children at once.
    ///
    /// # Errors
    /// When one of them stays.
    pub fn kill_group(mut self) -> Result<()> {
        let children = children_of(self.child.id());
        kill_process_group(process(self.id())?, Signal::KILL).context("killing the process group")?;
        self.child.wait()?;
        gone(&children)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            drop(process(self.id()).map(|group| kill_process_group(group, Signal::KILL)));
            drop(self.child.wait());
        }
    }
}

/// SIGKILL to a process.
///
/// # Errors
/// When there is none of that id.
pub fn kill(id: u32) -> Result<()> {
    kill_process(process(id)?, Signal::KILL).with_context(|| format!("killing process {id}"))
}

/// SIGSTOP to a process, and SIGCONT after a while.
///
/// # Errors
/// When there is none of that id.
pub fn freeze(id: u32, time: Duration) -> Result<()> {
    kill_process(process(id)?, Signal::STOP).with_context(|| format!("freezing process {id}"))?;
    std::thread::sleep(time);
    kill_process(process(id)?, Signal::CONT).with_context(|| format!("thawing process {id}"))
}

fn process(id: u32) -> Result<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id is a positive number")
}

/// State, parent and start of a process, by /proc.
fn stat(id: u32) -> Option<(char, u32, String)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(1)?.parse().ok()?, (*fields.get(19)?).to_owned()))
}

/// Process id and start of each child.
fn children_of(parent: u32) -> Vec<(u32, String)> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| stat(id).filter(|stat| stat.1 == parent).map(|stat| (id, stat.2))).collect()
}

fn gone(processes: &[(u32, String)]) -> Result<()> {
    let begun = Instant::now();
    for (id, started) in processes {
        while stat(*id).is_some_and(|(state, _, start)| state != 'Z' && start == *started) {
            ensure!(begun.elapsed() < DEATH_MAX, "process {id} outlives its parent by {DEATH_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
