//! A report as the fold and the event index hold it: names interned, cost included once it stands.

use tally_domain::{ContentHash, EventTime, Kind, Offset, Reason, Revision, SessionKey, Usage};

/// Declares a dense index, given in log order from 0 and for ever.
macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// As a place in a vector.
            #[must_use]
            pub fn index(self) -> usize {
                usize::try_from(self.0).expect("a u32 fits a usize on every supported target")
            }
        }
    )*};
}

indices! {
    /// Dims interned by one partition.
    DimsIx;
    /// An account interned by one partition.
    AccountIx;
    /// One run of a producer against one account: (account, producer, epoch) interned by one partition.
    RunIx;
}

/// What the event index remembers of an event, and what a batch carries of a report: all that the join and
/// a reversal need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where this copy lies.
    pub offset: Offset,
    /// See [`Revision`].
    pub revision: Revision,
    /// See [`Kind`].
    pub kind: Kind,
    /// By the producer's clock.
    pub occurred: EventTime,
    /// [`SessionKey::NONE`] when the event named none.
    pub session: SessionKey,
    /// What it is broken down by.
    pub dims: DimsIx,
    /// Of a retraction zero; priced once the report stands, before that without cost.
    pub usage: Usage,
    /// Over all that the report says, cost excepted.
    pub content: ContentHash,
}

/// What becomes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The first report of its event.
    Fresh,
    /// It stands instead of `was`.
    Revised {
        /// The report that stood until now.
        was: Report,
        /// Both claim one revision with another content.
        conflict: bool,
    },
    /// A copy, or a report that does not stand.
    Duplicate {
        /// It claims the revision of the one that stands with another content.
        conflict: bool,
    },
    /// Not accepted.
    Rejected(Reason),
}
