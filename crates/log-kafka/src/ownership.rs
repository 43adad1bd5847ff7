//! Who owns which partition of the usage topic: a consumer group decides.
//!
//! It spreads work and nothing else. Nothing is fetched through it, and nothing is right or wrong by it: two owners of
//! one partition publish the same values. What it gives is patience: a partition that another member is to have is
//! first let go by its owner, who may commit and copy its state before.
//!
//! librdkafka tells of changes while it is polled, and so does [`Membership::turn`]; what was asked back is answered
//! later, when [`Membership::released`] has named all of it. The group takes it back as a whole: no part of what is
//! asked back together reaches another member before the rest does.

mod client;
mod held;
mod member;
mod unowned;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::groups::GroupInfo;
use rdkafka::topic_partition_list::Offset as Position;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Message as _, TopicPartitionList};
use tally_domain::{Offset, Partition, Topic};
use tally_log::LogError;

use crate::config::member_id;
use crate::context::trouble_of;
use crate::error::{refused, service};
use crate::log::Installed;
use client::Client;
use held::{Answer, Held};
use unowned::who_joins_anew;

/// Events that one turn takes; one poll brings one, and lines of diagnostics are events too.
const EVENTS_MAX: usize = 100;
/// Lag monitors look every few seconds.
const HINT_EVERY: Duration = Duration::from_secs(1);
/// Who was fenced joins again after so long, and after twice as long each time that follows soon.
const REJOIN_AFTER: Duration = Duration::from_secs(1);
const REJOIN_AFTER_MAX: Duration = Duration::from_secs(64);
/// A membership that lasted so long begins with the short wait again.
const LASTED: Duration = Duration::from_mins(5);

/// What brokers call a group in which each member has its partitions.
const STABLE: &str = "Stable";
/// How often the group is looked at, and how long its coordinator is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(3);
const LOOK_MAX: Duration = Duration::from_secs(1);

/// What the group changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These are this member's from now on; no other well-behaved one has them.
    Gained(Vec<Partition>),
    /// Another member is to have these: commit their state, copy it, let go of it, then call
    /// [`Membership::released`]. They come together, and all are waited for.
    Losing(Vec<Partition>),
    /// The group has already given these away, or was told to after `kafka.release_timeout_ms`: stop working on them.
    Lost(Vec<Partition>),
}

/// How the hints for lag monitors fare; see [`Membership::tell`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Commits that were sent.
    pub sent: u64,
    /// Those of them that the group did not take.
    pub failed: u64,
}

/// A place in a group. Dropping it keeps the place until the session times out, so that a process which is started
/// again takes up what it had; [`Membership::leave`] gives it up.
pub struct Membership {
    installed: Arc<Installed>,
    group: String,
    instance: String,
    consumer: Client,
    held: Held,
    joined: Instant,
    /// When to join again, once the group has taken another for this member.
    fenced_until: Option<Instant>,
    rejoin_after: Duration,
    looked: Instant,
    unowned_since: Option<Instant>,
    place: Place,
    /// Told and not yet committed.
    hints: BTreeMap<Partition, Offset>,
    hinted: Instant,
    hints_sent: u64,
    /// Said by the next turn that has nothing else to say.
    trouble: Option<LogError>,
}

/// What this member is about to do with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Keep,
    /// Give it up, then take another.
    JoinAnew,
    GiveUp,
}

impl Membership {
    pub(crate) fn join(installed: Arc<Installed>, group: &str, instance: &str) -> Result<Self, LogError> {
        let group = format!("{}{group}", installed.config.prefix);
        let consumer = Client::subscribed(&installed, &group, instance)?;
        let (instance, now) = (instance.to_owned(), Instant::now());
        Ok(Self {
            installed,
            group,
            instance,
            consumer,
            held: Held::default(),
            joined: now,
            fenced_until: None,
            rejoin_after: REJOIN_AFTER,
            looked: now,
            unowned_since: None,
            place: Place::Keep,
            hints: BTreeMap::new(),
            hinted: now,
            hints_sent: 0,
            trouble: None,
        })
    }

    /// What has changed since the last turn, in order. Takes a few ms, every three seconds up to a second where the
    /// group's coordinator does not answer, and is to be called every second at least: a member that takes no turn for session and release timeout together is given up by its client.
    ///
    /// # Errors
    /// Nothing that is held changes by an error, and the next turn may be better: the group may not be joined, or the
    /// topic not seen. Where the group has taken another for this member, everything was lost, which an earlier turn has
    /// said, and turns fail until it joins again: because another process has its name, or because what it told its
    /// broker before a crash arrived after it had come back.
    pub fn turn(&mut self) -> Result<Vec<Change>, LogError> {
        let now = Instant::now();
        if self.fenced_until.is_some_and(|until| now >= until) {
            self.join_again(now)?;
        }
        self.serve();
        let mut changes = self.hear(now);
        self.answer(now, &mut changes);
        if now.duration_since(self.hinted) >= HINT_EVERY {
            self.hint(now);
        }
        if self.fenced_until.is_none() && now.duration_since(self.looked) >= LOOK_EVERY {
            self.look(now);
        }
        if let Some((code, why)) = self.consumer.client().fatal_error() {
            changes.extend(self.held.all_lost());
            self.fenced_until.get_or_insert(now + self.rejoin_after);
            self.trouble = Some(service(joining(&self.group, &self.instance), code, Some(&why)));
        }
        match self.trouble.take() {
            Some(trouble) if changes.is_empty() => Err(trouble),
            trouble => {
                self.trouble = trouble;
                Ok(changes)
            }
        }
    }

    fn join_again(&mut self, now: Instant) -> Result<(), LogError> {
        // Where this fails, it is tried again as late as if it had not.
        let lasted = now.duration_since(self.joined) > LASTED;
        self.rejoin_after = if lasted { REJOIN_AFTER } else { REJOIN_AFTER_MAX.min(self.rejoin_after * 2) };
        self.fenced_until = Some(now + self.rejoin_after);
        let consumer = Client::subscribed(&self.installed, &self.group, &self.instance)?;
        self.let_go();
        self.consumer = consumer;
        self.held = Held::default();
        // The group does not know the new one yet: a commit by it would be that of another of its name.
        self.hints.clear();
        (self.joined, self.fenced_until) = (now, None);
        (self.unowned_since, self.place) = (None, Place::Keep);
        Ok(())
    }

    /// Leaves and joins anew where partitions have been nobody's for a while and that is for this member to do. Brokers
    /// that do not answer are looked at later.
    fn look(&mut self, now: Instant) {
        self.looked = now;
        let Ok(asked) = self.installed.asker.fetch_group_list(Some(&self.group), LOOK_MAX) else { return };
        let Some(group) = asked.groups().first() else { return };
        let id = member_id(&self.instance);
        let place = self.place;
        match place {
            Place::Keep if self.is_to_join_anew(group, &id, now) => {
                tracing::warn!(
                    group = self.group,
                    "partitions belong to nobody since a handover was cut off: joining the group anew"
                );
                self.consumer.unsubscribe();
                (self.unowned_since, self.place) = (None, Place::JoinAnew);
            }
            Place::JoinAnew if group.members().iter().all(|member| member.client_id() != id) => {
                match self.consumer.subscribe(&[self.installed.name(Topic::Usage)]) {
                    Ok(()) => self.place = Place::Keep,
                    Err(error) => {
                        self.trouble = Some(refused(joining(&self.group, &self.instance), &error, None));
                    }
                }
            }
            Place::Keep | Place::JoinAnew | Place::GiveUp => {}
        }
    }

    /// True once something has been nobody's for longer than an owner may take to let go of it, and it is for the member
    /// with this id to do something about it.
    fn is_to_join_anew(&mut self, group: &GroupInfo, id: &str, now: Instant) -> bool {
        let members = group.members().iter();
        let members = members.map(|member| (member.client_id(), member.assignment().unwrap_or_default()));
        let (topic, partitions) = (self.installed.name(Topic::Usage), self.installed.config.partitions);
        let who = who_joins_anew(members, topic, partitions).filter(|_| group.state() == STABLE);
        self.unowned_since = who.and(self.unowned_since.or(Some(now)));
        let late = Duration::from_millis(self.installed.config.release_timeout_ms.into()) + LOOK_EVERY;
        who == Some(id) && self.unowned_since.is_some_and(|since| now.duration_since(since) >= late)
    }

    /// Answers whatever the client still waits for: nobody takes its turns any more.
    fn let_go(&mut self) {
        self.consumer.context().close();
        for said in self.consumer.context().take().into_iter().flatten() {
            drop(self.held.hear(said, Instant::now()));
        }
        let _lost = self.held.all_lost();
        if let Some(Answer { give, .. }) = self.held.answer(Instant::now()) {
            self.give(&give);
        }
    }

    /// These were [`Change::Losing`]; their state is committed and copied, and nothing works on them any more.
    pub fn released(&mut self, partitions: &[Partition]) {
        self.held.released(partitions);
    }

    /// What this member has now, those that it is losing among them.
    pub fn owned(&self) -> impl Iterator<Item = Partition> {
        self.held.all()
    }

    /// The next offset of a partition's state, for monitors that compare it with the end of the log. Nobody starts from
    /// it. It is committed in the background, and once more when the partition is given away.
    pub fn tell(&mut self, partition: Partition, next: Offset) {
        if self.owned().any(|own| own == partition) {
            self.hints.insert(partition, next);
        }
    }

    /// How the hints fare.
    #[must_use]
    pub fn hints(&self) -> Hints {
        Hints { sent: self.hints_sent, failed: self.consumer.context().hints_failed() }
    }

    /// Begins to leave the group for good: all that is held is [`Change::Losing`], and goes to others once it was
    /// released. Go on taking turns until [`Self::has_left`].
    pub fn leave(&mut self) {
        self.place = Place::GiveUp;
        self.consumer.unsubscribe();
    }

    /// Asks the brokers whether this member is no longer in the group.
    ///
    /// # Errors
    /// When they do not answer.
    pub fn has_left(&self) -> Result<bool, LogError> {
        let answer = Duration::from_millis(self.installed.config.answer_timeout_ms.into());
        let asked = self.installed.asker.fetch_group_list(Some(&self.group), answer).map_err(|error| {
            let trouble = trouble_of(&self.installed.asker);
            refused(format!("asking for the group {}", self.group), &error, trouble.as_deref())
        })?;
        let id = member_id(&self.instance);
        let mut members = asked.groups().iter().flat_map(GroupInfo::members);
        Ok(members.all(|member| member.client_id() != id))
    }

    /// Lets librdkafka tell what it has.
    fn serve(&mut self) {
        for _event in 0..EVENTS_MAX {
            match self.consumer.poll(Duration::ZERO) {
                // Every partition is paused.
                Some(Ok(record)) => debug_assert!(false, "offset {} was fetched", record.offset()),
                Some(Err(error)) if needs_help(&error) => {
                    let doing = joining(&self.group, &self.instance);
                    self.trouble = Some(refused(doing, &error, None));
                }
                // The client tries again by itself, and says so in the diagnostics.
                Some(Err(_)) | None => {}
            }
        }
    }

    fn hear(&mut self, now: Instant) -> Vec<Change> {
        let until = now + Duration::from_millis(self.installed.config.release_timeout_ms.into());
        let mut changes = Vec::new();
        for said in self.consumer.context().take() {
            match said {
                Ok(said) => changes.extend(self.held.hear(said, until)),
                Err(error) => {
                    let doing = joining(&self.group, &self.instance);
                    self.trouble = Some(refused(doing, &error, None));
                }
            }
        }
        changes
    }

    /// Gives back what was asked back, once it was released or its time is over.
    fn answer(&mut self, now: Instant, changes: &mut Vec<Change>) {
        let Some(Answer { give, overdue }) = self.held.answer(now) else { return };
        self.hint(now);
        self.give(&give);
        if !overdue.is_empty() {
            changes.push(Change::Lost(overdue));
        }
    }

    fn give(&mut self, partitions: &[Partition]) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(self.installed.name(Topic::Usage), partition.0.into());
        }
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            let doing = format!("giving partitions back to the group {}", self.group);
            self.trouble = Some(refused(doing, &error, None));
        }
    }

    /// Commits what was told since the last time.
    fn hint(&mut self, now: Instant) {
        self.hinted = now;
        let mut list = TopicPartitionList::new();
        for (partition, next) in std::mem::take(&mut self.hints) {
            let next = i64::try_from(next.get()).expect("an offset has 48 bits");
            let name = self.installed.name(Topic::Usage);
            list.add_partition_offset(name, partition.0.into(), Position::Offset(next))
                .expect("an absolute offset can be committed");
        }
        if list.count() == 0 {
            return;
        }
        self.hints_sent += 1;
        if self.consumer.commit(&list, CommitMode::Async).is_err() {
            self.consumer.context().hint_failed();
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, instance, held, .. } = self;
        f.debug_struct("Membership")
            .field("group", group)
            .field("instance", instance)
            .field("held", held)
            .finish_non_exhaustive()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn joining(group: &str, instance: &str) -> String {
    format!("being {instance} in the group {group}")
}

/// True of what does not pass by itself.
fn needs_help(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::GroupAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::SSL
                | Code::UnknownTopicOrPartition
                | Code::InconsistentGroupProtocol
                | Code::InvalidSessionTimeout
                | Code::UnsupportedVersion
        )
    )
}
