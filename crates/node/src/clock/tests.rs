use super::*;

#[test]
fn a_fixed_clock_stands_still() {
    let clock: Clock = "2026-02-13T00:00:00Z".parse().unwrap();
    assert_eq!(clock.now().ms(), 1_770_940_800_000);
    assert_eq!(clock.now(), clock.now());
    assert_eq!("2026-02-13T01:00:00+01:00".parse(), Ok(clock));
    assert_eq!(clock.to_string(), "2026-02-13T00:00:00Z");
}

#[test]
fn what_is_no_instant_says_what_would_be() {
    for bad in ["yesterday", "2026-02-13", "2026-02-13T00:00:00", "2026-02-30T00:00:00Z", ""] {
        let said = bad.parse::<Clock>().unwrap_err().to_string();
        assert!(said.contains(&format!("{bad:?}")) && said.contains("2026-02-13T00:00:00Z"), "{said}");
    }
}

#[test]
fn the_system_clock_moves_with_the_system() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let shown = u128::try_from(Clock::System.now().ms()).unwrap();
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!((before..=after).contains(&shown));
}
