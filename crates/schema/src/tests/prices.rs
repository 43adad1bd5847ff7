//! Figures of the shipped price book, as the vendors' lists have them.

use tally_domain::price::PriceBook;
use tally_domain::{Class, Dims, EventTime, Usage};

fn book() -> PriceBook {
    PriceBook::parse(crate::SHIPPED_PRICE_BOOK.as_bytes()).expect("the shipped book is a price book")
}

/// Dollars per million tokens of a class, in thousandths.
fn milli(model: &str, tier: &str, day: &str, context: i64, class: Class) -> Option<i64> {
    let dims = Dims { model: model.into(), service_tier: tier.into(), ..Dims::default() };
    let usage = Usage { tokens: [context, 0, 0, 0, 0, 0], ..Usage::ZERO };
    let at = EventTime::parse(&format!("{day}T12:00:00Z")).unwrap();
    let class = Class::ALL.iter().position(|&each| each == class).unwrap();
    let nano = book().rate(dims.as_ref(), at, &usage)?.nano_usd_per_million[class]?;
    assert_eq!(nano % 1_000_000, 0, "{model}: {nano}");
    Some(nano / 1_000_000)
}

fn plain(model: &str, class: Class) -> Option<i64> {
    milli(model, "standard", "2026-02-12", 1, class)
}

#[test]
fn the_book_is_number_one_and_covers_the_vendors() {
    let book = book();
    assert_eq!(book.number(), 1);
    let models: Vec<&str> = book.models().collect();
    assert!(models.len() >= 200, "{}", models.len());
    for model in ["claude-opus-4-6", "gpt-5.5", "gemini-2.5-pro"] {
        assert!(models.contains(&model), "{model}");
    }
}

#[test]
fn claude_costs_what_the_list_says() {
    use Class::{CacheRead, CacheWrite1h, CacheWrite5m, Input, Output, Reasoning};
    let classes = [Input, CacheRead, CacheWrite5m, CacheWrite1h, Output, Reasoning];
    let all = |model| classes.map(|class| plain(model, class).unwrap_or(-1));
    assert_eq!(all("claude-opus-4-6"), [5_000, 500, 6_250, 10_000, 25_000, 25_000]);
    assert_eq!(all("claude-haiku-4-5-20251001"), [1_000, 100, 1_250, 2_000, 5_000, 5_000]);
    assert_eq!(all("claude-sonnet-4-5-20250929"), [3_000, 300, 3_750, 6_000, 15_000, 15_000]);
    assert_eq!(all("claude-3-5-haiku-20241022"), [800, 80, 1_000, 1_600, 4_000, 4_000]);
    assert_eq!(
        all("converse/jp.anthropic.claude-haiku-4-5-20251001-v1:0"),
        [1_100, 110, 1_375, 2_200, 5_500, 5_500]
    );
    assert_eq!(
        all("converse/eu.anthropic.claude-sonnet-4-6-v1:0"),
        [3_300, 330, 4_125, 6_600, 16_500, 16_500]
    );
}

#[test]
fn models_of_the_samples_that_newer_tables_forgot_are_priced() {
    let input_and_output = |model| (plain(model, Class::Input), plain(model, Class::Output));
    assert_eq!(input_and_output("claude-opus-4-20250514"), (Some(15_000), Some(75_000)));
    assert_eq!(input_and_output("claude-sonnet-4-20250514"), (Some(3_000), Some(15_000)));
    assert_eq!(input_and_output("claude-3-5-sonnet-20241022"), (Some(3_000), Some(15_000)));
    assert_eq!(input_and_output("gemini-3-pro-preview"), (Some(2_000), Some(12_000)));
    assert_eq!(input_and_output("gpt-5.3-codex"), (Some(1_750), Some(14_000)));
    assert_eq!(
        input_and_output("openai/gpt-5.5"),
        (plain("gpt-5.5", Class::Input), plain("gpt-5.5", Class::Output))
    );
    assert!(input_and_output("gpt-5.5").0.is_some());
}

#[test]
fn dates_contexts_and_tiers_choose_the_figure() {
    let input = |model, tier, day, context| milli(model, tier, day, context, Class::Input);
    assert_eq!(input("o3", "", "2025-06-09", 1), Some(10_000));
    assert_eq!(input("o3", "", "2025-06-10", 1), Some(2_000));
    assert_eq!(input("claude-opus-4-6", "", "2026-03-12", 200_001), Some(10_000));
    assert_eq!(input("claude-opus-4-6", "", "2026-03-13", 200_001), Some(5_000));
    assert_eq!(input("claude-opus-4-6", "batch", "2026-02-12", 1), Some(2_500));
    assert_eq!(input("gemini-2.5-pro", "", "2026-02-12", 200_000), Some(1_250));
    assert_eq!(input("gemini-2.5-pro", "", "2026-02-12", 200_001), Some(2_500));
    assert_eq!(input("gpt-5", "flex", "2026-02-12", 1), Some(625));
    assert_eq!(input("gpt-5", "priority", "2026-02-12", 1), Some(2_500));
    assert_eq!(input("gpt-5", "default", "2026-02-12", 1), Some(1_250));
}

#[test]
fn an_unknown_model_and_an_unlisted_class_are_unpriced_not_free() {
    assert_eq!(plain("fixture-model", Class::Input), None);
    assert_eq!(plain("<synthetic>", Class::Input), None);
    assert_eq!(plain("gpt-5", Class::CacheWrite5m), None);
}
