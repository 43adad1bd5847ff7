use anyhow::bail;

use super::*;

#[test]
fn one_failed_step_fails_the_suite_and_hides_no_other() {
    let shell = Shell::new().unwrap();
    let steps = [
        Step { name: "good", run: &|_| Ok(()) },
        Step { name: "bad", run: &|_| bail!("it broke") },
        Step { name: "after", run: &|_| Ok(()) },
    ];
    let ended = perform(&shell, &steps);
    let verdicts: Vec<(&str, Option<&str>)> =
        ended.iter().map(|step| (step.name, step.failure.as_deref())).collect();
    assert_eq!(verdicts, [("good", None), ("bad", Some("it broke")), ("after", None)]);
    assert_eq!(conclude(&ended).unwrap_err().to_string(), "1 of 3 steps failed: bad");
    conclude(&ended[..1]).unwrap();
}

#[test]
fn the_summary_is_a_table() {
    let ended = [
        Ended { name: "format", took: Duration::from_millis(1_240), failure: None },
        Ended { name: "test", took: Duration::from_secs(187), failure: Some("exit 101".to_owned()) },
    ];
    assert_eq!(
        summary(&ended),
        "format     passed      1.2 s\n\
         test       FAILED  3 min 07 s\n\
         all                3 min 08 s"
    );
}
