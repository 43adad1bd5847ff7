use std::collections::{BTreeMap, BTreeSet};

use tally_domain::{EventTime, View};

use super::*;

const UNTIL: &str = "2026-11-22T12:00:00Z";
const DAY_MS: i64 = 86_400_000;

fn until() -> EventTime {
    EventTime::parse(UNTIL).unwrap()
}

fn month(people: usize, events: u64) -> (Company, Vec<Claimed>) {
    let company = Company::new(7, people);
    let claimed = history(&company, Span { days: 30, until: until(), events }).collect();
    (company, claimed)
}

/// The report of each event that stands.
fn standing(claimed: &[Claimed]) -> BTreeMap<(usize, &str, &str), &Claimed> {
    let mut standing = BTreeMap::new();
    for one in claimed {
        let rank = |one: &Claimed| (one.event.revision, one.event.usage.tokens[4], one.event.usage.total());
        let stands = standing.entry((one.person, one.source, one.event.event_id.as_str())).or_insert(one);
        if rank(one) > rank(stands) {
            *stands = one;
        }
    }
    standing
}

fn quantile(values: &mut [i64], per_cent: usize) -> i64 {
    values.sort_unstable();
    values[(values.len() - 1) * per_cent / 100]
}

#[test]
fn a_seed_is_a_history_and_another_seed_is_another() {
    let (company, first) = month(50, 5_000);
    assert_eq!(first, month(50, 5_000).1);
    assert_eq!(company, Company::new(7, 50));
    assert_ne!(company, Company::new(8, 50));
    let other = Company::new(8, 50);
    assert_ne!(first, history(&other, Span { days: 30, until: until(), events: 5_000 }).collect::<Vec<_>>());
}

#[test]
fn people_have_names_of_their_own_and_totals_of_the_real_distribution() {
    let company = Company::new(1, 85_000);
    let subjects: BTreeSet<&str> = company.people.iter().map(|person| person.subject.as_str()).collect();
    assert_eq!(subjects.len(), 85_000);
    let mut totals: Vec<i64> = company.people.iter().map(|person| person.month_tokens).collect();
    totals.sort_unstable();
    let sum: i128 = totals.iter().map(|&tokens| i128::from(tokens)).sum();
    assert!((58_000_000_000_000..62_000_000_000_000).contains(&sum), "{sum}");
    assert_eq!(totals.last(), Some(&281_000_000_000));
    assert!((154_000_000..157_000_000).contains(&totals[42_500]), "{}", totals[42_500]);
    let p90 = totals[76_500];
    assert!((1_400_000_000..1_480_000_000).contains(&p90), "{p90}");
    let teams: BTreeSet<&str> = company.people.iter().map(|person| person.team).collect();
    assert!(teams.len() > 20);
}

#[test]
fn as_many_events_as_were_asked_for_in_the_order_they_were_sent_and_within_the_span() {
    let (_, claimed) = month(300, 60_000);
    assert!((57_000..63_000).contains(&claimed.len()), "{}", claimed.len());
    assert!(claimed.is_sorted_by_key(|one| one.sent_ms));
    let start = until().ms() - 30 * DAY_MS;
    assert!(claimed.iter().all(|one| one.sent_ms < until().ms() && one.event.occurred_at.ms() >= start));
    assert!(claimed.iter().all(|one| one.event.occurred_at.ms() <= one.sent_ms));
}

#[test]
fn what_a_person_used_comes_to_about_their_total() {
    let (company, claimed) = month(300, 100_000);
    let mut totals = vec![0_i128; company.people.len()];
    for one in standing(&claimed).values() {
        totals[one.person] += one.event.usage.total();
    }
    let all: i128 = totals.iter().sum();
    let meant: i128 = company.people.iter().map(|person| i128::from(person.month_tokens)).sum();
    assert!((90..110).contains(&(all * 100 / meant)), "{all} of {meant}");
    let top = company.people.iter().enumerate().max_by_key(|(_, person)| person.month_tokens).unwrap().0;
    let share = totals[top] * 100 / i128::from(company.people[top].month_tokens);
    assert!((90..110).contains(&share), "the top person has {share} %");
    assert_eq!(totals.iter().max(), Some(&totals[top]));
    assert!(totals.iter().filter(|&&total| total > 0).count() >= 295);
}

#[test]
fn calls_look_like_those_of_agents() {
    let (_, claimed) = month(300, 100_000);
    let standing = standing(&claimed);
    let class =
        |place: usize| standing.values().map(|one| i128::from(one.event.usage.tokens[place])).sum::<i128>();
    let total: i128 = (0..6).map(class).sum();
    let per_mille = |place: usize| class(place) * 1000 / total;
    assert!((890..940).contains(&per_mille(1)), "cache reads {} ‰", per_mille(1));
    assert!(
        (20..90).contains(&(per_mille(2) + per_mille(3))),
        "cache writes {} ‰",
        per_mille(2) + per_mille(3)
    );
    assert!((2..12).contains(&(per_mille(4) + per_mille(5))), "output {} ‰", per_mille(4) + per_mille(5));
    assert!(class(5) > 0 && class(3) > 0);
    let agents = standing.values().filter(|one| one.source != "gateway" && one.event.usage.total() > 0);
    let mut per_call: Vec<i64> = agents
        .map(|one| i64::try_from(one.event.usage.total()).unwrap() / one.event.usage.requests)
        .collect();
    let median = quantile(&mut per_call, 50);
    assert!((70_000..110_000).contains(&median), "{median}");
    let tools: BTreeSet<&str> = standing.values().map(|one| one.source).collect();
    assert_eq!(tools.into_iter().collect::<Vec<_>>(), ["claude-code", "codex", "gateway", "gemini-cli"]);
    let views: BTreeSet<View> = standing.values().map(|one| one.event.dims.view).collect();
    assert_eq!(views.len(), 3);
}

#[test]
fn sessions_have_gaps_and_days_have_nights() {
    let (company, claimed) = month(300, 100_000);
    let mut sessions = BTreeMap::<(usize, &str), Vec<i64>>::new();
    for one in standing(&claimed).values() {
        let session = one.event.session.as_deref().unwrap();
        sessions.entry((one.person, session)).or_default().push(one.event.occurred_at.ms());
    }
    let mut gaps: Vec<i64> = Vec::new();
    for times in sessions.values_mut() {
        times.sort_unstable();
        gaps.extend(times.windows(2).map(|pair| pair[1] - pair[0]));
    }
    let (p50, p90) = (quantile(&mut gaps, 50), quantile(&mut gaps, 90));
    assert!((6_500..10_500).contains(&p50), "{p50}");
    assert!((35_000..60_000).contains(&p90), "{p90}");
    let mut hours = [0_u32; 24];
    for one in &claimed {
        let person = &company.people[one.person];
        if person.zone == 0 && person.month_tokens < 5_000_000_000 {
            let hour = usize::try_from(one.event.occurred_at.ms() / 3_600_000 % 24).unwrap();
            hours[hour] += 1;
        }
    }
    // Eight hours west of Greenwich: noon to eight in the evening, and one to five in the morning.
    let day = hours[20..].iter().sum::<u32>() + hours[..4].iter().sum::<u32>();
    let night = 2 * hours[9..13].iter().sum::<u32>();
    assert!(day > 5 * night, "{day} by day and {night} by night: {hours:?}");
}

#[test]
fn rows_come_twice_late_growing_revised_and_empty() {
    let (_, claimed) = month(300, 100_000);
    let mut reports = BTreeMap::<(usize, &str), Vec<&Claimed>>::new();
    for one in &claimed {
        reports.entry((one.person, one.event.event_id.as_str())).or_default().push(one);
    }
    let per_mille = |count: usize| count * 1000 / claimed.len();
    let pairs = || reports.values().filter(|reports| reports.len() > 1);
    let repeated = pairs().filter(|reports| reports[0].event == reports[1].event).count();
    let growing = pairs().filter(|r| r[0].event.usage.tokens[4] < r[1].event.usage.tokens[4]).count();
    let revised = claimed.iter().filter(|one| one.event.revision.0 == 1).count();
    let late = reports.values().filter(|r| r[0].sent_ms - r[0].event.occurred_at.ms() >= 60_000).count();
    let empty = claimed.iter().filter(|one| one.event.usage.total() == 0).count();
    assert!((15..40).contains(&per_mille(repeated)), "repeated {repeated}");
    assert!((40..120).contains(&per_mille(growing)), "growing {growing}");
    assert!((1..5).contains(&per_mille(revised)), "revised {revised}");
    assert!((8..25).contains(&per_mille(late)), "late {late}");
    assert!((5..20).contains(&per_mille(empty)), "empty {empty}");
    assert!(reports.values().all(|reports| reports.len() <= 2));
}

#[test]
fn traffic_goes_on_at_its_rate() {
    let company = Company::new(7, 200);
    let claimed: Vec<Claimed> = live(&company, until(), 1_000).take(100_000).collect();
    let span = claimed.last().unwrap().sent_ms - until().ms();
    assert!((60_000..160_000).contains(&span), "{span} ms for 100,000 events at 1,000 a second");
    assert!(claimed.is_sorted_by_key(|one| one.sent_ms));
    let late = claimed.iter().filter(|one| one.event.occurred_at.ms() < one.sent_ms).count();
    assert!((1_000..2_200).contains(&late), "{late}");
    let ids: BTreeSet<&str> = claimed.iter().map(|one| one.event.event_id.as_str()).collect();
    assert!((96_500..98_500).contains(&ids.len()), "{}", ids.len());
    assert!(claimed.iter().all(|one| one.event.usage.requests == 1));
    assert_eq!(claimed[..100], live(&company, until(), 1_000).take(100).collect::<Vec<_>>());
}

#[test]
fn a_text_is_used_again_and_nothing_of_the_former_event_stays() {
    let company = Company::new(7, 20);
    let span = Span { days: 30, until: until(), events: 2_000 };
    let (mut reused, mut events) = (Claimed::default(), history(&company, span));
    for fresh in history(&company, span) {
        assert!(events.next_into(&mut reused));
        assert_eq!(reused, fresh);
    }
    assert!(!events.next_into(&mut reused));
}

#[test]
fn the_smallest_company_and_the_fewest_events_are_no_trouble() {
    let company = Company::new(1, 0);
    assert_eq!(company.people.len(), 1);
    assert!(history(&company, Span { days: 0, until: until(), events: 0 }).count() < 10);
    assert!(history(&company, Span { days: 1, until: until(), events: 100 }).count() > 20);
}
