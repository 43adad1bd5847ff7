//! The receipt of an import for people.

use super::number::{dollars, grouped, human};
use super::{right, table};
use crate::report::{Import, Tokens, Usd};

/// What was added per day and model, what was new, what was a repeat, what could not be read.
pub(crate) fn import(report: &Import) -> String {
    let mut text = String::new();
    if !report.days.is_empty() {
        text.push_str(&days(report));
        text.push('\n');
    }
    text.push_str(&sentences(report));
    text
}

fn days(report: &Import) -> String {
    let head =
        ["day", "model", "requests", "input", "cache read", "cache write", "output", "tokens", "list cost"];
    let mut table = table(&head);
    for day in &report.days {
        for (at, model) in day.models.iter().enumerate() {
            let date = if at == 0 { day.day.clone() } else { String::new() };
            let unpriced = model.unpriced_tokens != 0;
            table.add_row(row(date, model.model.clone(), &model.tokens, model.list_cost_usd, unpriced));
        }
    }
    let unpriced = report.unpriced_tokens != 0;
    table.add_row(row("all".to_owned(), String::new(), &report.usage, report.list_cost_usd, unpriced));
    right(&mut table, 2..head.len());
    table.trim_fmt() + "\n"
}

fn row(day: String, model: String, tokens: &Tokens, cost: Usd, unpriced: bool) -> Vec<String> {
    let cost = dollars(cost.0) + if unpriced { " *" } else { "" };
    let writes = tokens.cache_write_5m + tokens.cache_write_1h;
    let output = tokens.output + tokens.reasoning;
    let requests = grouped(tokens.requests);
    let tokens = [tokens.input, tokens.cache_read, writes, output]
        .map(human)
        .into_iter()
        .chain([grouped(tokens.total)]);
    [day, model, requests].into_iter().chain(tokens).chain([cost]).collect()
}

fn sentences(report: &Import) -> String {
    let events = report.events;
    let sent = events.fresh + events.revised + events.duplicate + events.rejected;
    let count = |number: u64| grouped(i128::from(number));
    let mut lines = vec![format!(
        "{} for {}: {} files, {} of them unchanged since the last import; {} lines read, {} with usage",
        report.source,
        report.person,
        count(report.files.found),
        count(report.files.unchanged),
        count(report.files.lines),
        count(sent),
    )];
    lines.push(format!(
        "{} new, {} grew since they were first seen, {} repeats, {} rejected{}",
        count(events.fresh),
        count(events.revised),
        count(events.duplicate),
        count(events.rejected),
        if events.rejected == 0 { "" } else { " (tally rejects shows them)" },
    ));
    if report.unpriced_tokens != 0 {
        let tokens = human(report.unpriced_tokens);
        lines.push(format!("* {tokens} tokens have no price in the price book and cost nothing here"));
    }
    lines.extend(unread(report));
    if report.stopped {
        lines.push("stopped before the end; run it again to go on where it was".to_owned());
    }
    lines.join("\n") + "\n"
}

/// What could not be read, and why.
fn unread(report: &Import) -> Vec<String> {
    let mut lines = Vec::new();
    if report.unreadable.lines > 0 {
        let line = format!("{} lines could not be read:", grouped(i128::from(report.unreadable.lines)));
        let reasons = report.unreadable.by_reason.iter().map(|(reason, count)| format!("{count} {reason}"));
        lines.push(format!("{line} {}", reasons.collect::<Vec<_>>().join(", ")));
    }
    for sample in &report.unreadable.samples {
        lines.push(format!("  {} at byte {}: {}", sample.path, sample.position, sample.detail));
    }
    for (reason, count) in &report.refused {
        lines.push(format!("{count} events were refused: {reason}"));
    }
    for path in &report.files.unreadable {
        lines.push(format!("not read: {}: {}", path.path, path.cause));
    }
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_receipt_is_a_table_and_a_few_sentences() {
        let report = crate::report::import_example();
        expect![[r"
             day         model             requests  input  cache read  cache write  output     tokens  list cost
             2026-02-10  claude-opus-4-6          2      1      1.25 M          340     500  1,250,841      $1.23
                         claude-haiku-4-5         1     10          20            0       5         35      $0.00
             2026-02-11  claude-opus-4-6          1      2           0            0       9         11      $0.00
             all                                  4     13      1.25 M          340     514  1,250,887      $1.23

            claude-code for ann: 3 files, 1 of them unchanged since the last import; 40 lines read, 9 with usage
            4 new, 1 grew since they were first seen, 4 repeats, 0 rejected
            1 lines could not be read: 1 unreadable
              p/a.jsonl at byte 812: a line of 17 bytes is no JSON
            not read: p/locked: Permission denied (os error 13)
        "]].assert_eq(&import(&report));
    }
}
