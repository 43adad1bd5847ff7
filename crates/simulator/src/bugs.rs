//! Bugs on purpose, and how many lives it takes until each is found.

use anyhow::bail;
use tally_domain::planted::Bug;

/// A bug that so many lives do not find is a hole in the simulator.
pub(crate) const LIVES_MAX: u64 = 3_000;

/// A bug that was found: after so many lives, and as what.
pub(crate) struct Found {
    pub(crate) lives: u64,
    pub(crate) why: String,
}

/// From now on every part has the bug.
///
/// # Errors
/// In a build that holds none, and for a name that is no bug's.
pub(crate) fn plant(name: &str) -> anyhow::Result<()> {
    let Some(bug) = Bug::named(name) else {
        let names: Vec<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        bail!("there is no bug {name:?}; there are {}", names.join(", "));
    };
    put(bug)
}

#[cfg(not(tally_planted))]
fn put(bug: Bug) -> anyhow::Result<()> {
    bail!("this build cannot hold {}; {HOW}", bug.name())
}

#[cfg(tally_planted)]
fn put(bug: Bug) -> anyhow::Result<()> {
    tally_domain::planted::plant(Some(bug));
    Ok(())
}

#[cfg(not(tally_planted))]
const HOW: &str = "build with RUSTC_WORKSPACE_WRAPPER set to the full path of tests/planted-rustc";

/// Looks for every bug in turn.
///
/// # Errors
/// In a build that holds none.
#[cfg(not(tally_planted))]
pub(crate) fn hunt(_: impl FnMut(Bug, Option<Found>)) -> anyhow::Result<()> {
    bail!("this build holds no bugs; {HOW}")
}

#[cfg(tally_planted)]
pub(crate) fn hunt(mut each: impl FnMut(Bug, Option<Found>)) -> anyhow::Result<()> {
    use tally_domain::planted::plant;

    for &bug in Bug::ALL {
        plant(Some(bug));
        let found = (0..LIVES_MAX).step_by(PAGE).find_map(first_of);
        plant(None);
        each(bug, found);
    }
    Ok(())
}

/// Lives that are lived side by side.
#[cfg(tally_planted)]
const PAGE: usize = 32;

/// The first of a page of seeds that breaks a promise.
#[cfg(tally_planted)]
fn first_of(from: u64) -> Option<Found> {
    let half = |first: u64| {
        let mut seeds = (first..from + 32).step_by(2);
        seeds.find_map(|seed| crate::life::seed(seed).map(|why| Found { lives: seed + 1, why }))
    };
    let found = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(from + 1));
        [half(from), odd.join().expect("a life catches its panics")]
    });
    found.into_iter().flatten().min_by_key(|found| found.lives)
}

/// A line of the table in `docs/simulator.md`: the bug, its rule, within how many lives it is found, and as what.
pub(crate) fn line(bug: Bug, found: Option<&Found>) -> String {
    let (name, rule) = (bug.name(), bug.breaks());
    let Some(Found { lives, why }) = found else { return format!("| `{name}` | {rule} | not found | |") };
    // Other code lives other lives: room for that.
    let within = [30, 100, 300, 1_000, LIVES_MAX].into_iter().find(|within| *within >= lives * 10);
    format!("| `{name}` | {rule} | {} | {} |", within.unwrap_or(LIVES_MAX), symptom(why))
}

/// What a broken promise looks like, without its values.
fn symptom(why: &str) -> &'static str {
    const SYMPTOMS: [(&str, &str); 31] = [
        ("has two values", "two owners publish two values"),
        ("archived is", "an archived record is not what the log says"),
        ("is not listed", "a reject is missing from the list"),
        ("the list of rejects", "a reject is missing from the list"),
        ("archived records,", "the archive has a hole"),
        ("the live board", "the live board"),
        ("movement", "movement"),
        ("climbed from", "movement"),
        ("is given up", "an unfinished snapshot is given up"),
        ("unfinished rows", "rows of an unfinished snapshot stay"),
        ("is given twice", "one number has two contents"),
        ("a reader of", "a reader sees half a snapshot"),
        ("no reader finds", "a snapshot is told that no reader finds"),
        ("a snapshot's", "a snapshot is not what everybody has"),
        ("people has", "names"),
        ("user_totals has", "totals of people"),
        ("verify is red", "verify is red"),
        ("is published at", "a row is not what its version says"),
        (" claims ", "progress claims what is not shown"),
        ("rows at version", "a row of a version that the log has not reached"),
        ("panicked", "an invariant of the code"),
        ("counted,", "verdicts"),
        ("the totals topic says", "totals topic"),
        ("rejects kept", "rejects"),
        ("are one account", "two accounts are one"),
        ("readers saw", "readers saw what the log lost"),
        ("is another one", "readers saw what the log lost"),
        ("five minutes ahead", "a record of the future is folded"),
        ("in the end, the log", "progress in the end"),
        ("another number of partitions", "a barrier of another layout is passed"),
        ("no end", "publishing does not end"),
    ];
    SYMPTOMS.iter().find(|(part, _)| why.contains(part)).map_or("a part stops", |(_, symptom)| symptom)
}
