//! The demo's story, told by the simulator.

use tally_domain::{ClaimedIdentity, EventTime};
use tally_node::roles::demo::{Claim, Span, Story};
use tally_simulator::workload::{self, Claimed};

/// A simulated company.
struct Company(workload::Company);

/// The company of a seed.
pub(crate) fn company(seed: u64, people: u32) -> Box<dyn Story> {
    let people = usize::try_from(people).expect("a usize has at least 32 bits");
    Box::new(Company(workload::Company::new(seed, people)))
}

impl Story for Company {
    fn history(&self, Span { days, until, events }: Span) -> Box<dyn Iterator<Item = Claim> + '_> {
        let span = workload::Span { days, until, events };
        Box::new(workload::history(&self.0, span).map(|claimed| self.claim(claimed)))
    }

    fn live(&self, from: EventTime, per_second: u32) -> Box<dyn Iterator<Item = Claim> + '_> {
        Box::new(workload::live(&self.0, from, per_second).map(|claimed| self.claim(claimed)))
    }
}

impl Company {
    fn claim(&self, Claimed { source, person, sent_ms, event }: Claimed) -> Claim {
        let person = self.0.people.get(person).expect("an event is somebody's");
        let identity = ClaimedIdentity {
            source: source.to_owned(),
            subject: person.subject.clone(),
            email: Some(person.email.clone()),
            name: Some(person.name.clone()),
            first_seen_ms: 0,
        };
        Claim { identity, sent_ms, event }
    }
}
