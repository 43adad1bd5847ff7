use super::*;
use tally_domain::ClaimedIdentity;

fn account(n: u8) -> AccountKey {
    AccountKey(Hash128([n; 16]))
}

const ANN: PersonId = PersonId(Hash128([200; 16]));

fn claimed(n: u8, subject: &str, name: &str, version: u64) -> PersonRecord {
    let claimed = ClaimedIdentity {
        source: "codex".to_owned(),
        subject: subject.to_owned(),
        email: None,
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        first_seen_ms: 0,
    };
    rows::person(account(n), ANN, &claimed, version)
}

fn versions(directory: &Directory) -> Vec<(u8, String, u64)> {
    directory.unsent().into_iter().map(|row| (row.account[0], row.name, row.version)).collect()
}

#[test]
fn only_what_clickhouse_does_not_hold_is_sent_and_above_what_it_holds() {
    let mut directory = Directory::default();
    directory.found(vec![claimed(1, "ann", "Ann", 40), claimed(2, "a2", "", 41)]);
    directory.tell(claimed(1, "ann", "Ann", 3));
    assert_eq!(versions(&directory), [], "a recreated topic says the same at a lower offset");
    directory.tell(claimed(1, "ann", "Ann Lee", 4));
    directory.tell(claimed(2, "a2", "", 90));
    directory.tell(claimed(3, "a3", "", 91));
    assert_eq!(versions(&directory), [(1, "Ann Lee".to_owned(), 41), (3, "a3".to_owned(), 91)]);
    directory.sent(&directory.unsent());
    assert_eq!(versions(&directory), []);
    directory.lost();
    assert_eq!(versions(&directory).len(), 3);
}

#[test]
fn whom_the_identities_do_not_know_is_forgotten_and_keeps_the_account() {
    let mut directory = Directory::default();
    directory.found(vec![claimed(1, "ann", "Ann", 40), claimed(2, "a2", "", 41)]);
    directory.tell(claimed(2, "a2", "", 3));
    assert_eq!(directory.forget_the_untold(), BTreeSet::from([ANN]));
    assert_eq!(versions(&directory), [(1, String::new(), 41)]);
    assert_eq!(directory.owner(account(1)), Some(ANN));
    assert_eq!(directory.forget_the_untold(), BTreeSet::new(), "once is enough");
}

#[test]
fn a_person_has_the_best_name_of_their_accounts_and_the_words_of_all() {
    let mut directory = Directory::default();
    directory.tell(claimed(1, "ann@example.org", "", 1));
    directory.tell(claimed(2, "ann", "Ann Lee", 2));
    directory.tell(claimed(3, "al", "A. Lee", 3));
    let all = [account(1), account(2), account(3), account(4)];
    let name = directory.name(all.iter());
    assert_eq!(name.shown, "Ann Lee");
    assert!(["ann@example.org", "a. lee", "al"].iter().all(|word| name.words.contains(word)), "{name:?}");
    directory.tell(rows::forgotten(account(2), ANN, 4));
    assert_eq!(directory.name(all.iter()).shown, "A. Lee", "another account's name stays");
    directory.tell(rows::forgotten(account(3), ANN, 5));
    assert_eq!(directory.name(all.iter()).shown, "ann@example.org");
    directory.tell(rows::forgotten(account(1), ANN, 6));
    assert_eq!(directory.name(all.iter()), Name::default());
}
