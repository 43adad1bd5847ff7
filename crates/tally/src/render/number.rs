//! Numbers for people: `79.7 M`, `1 824`, `$51.74`, `92 %`.

/// Digits in groups of three.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a power of a thousand.
pub(crate) fn human(number: i128) -> String {
    const UNITS: [(u128, &str); 5] = [
        (1_000_000_000_000_000, "Q"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    let amount = number.unsigned_abs();
    let sign = if number < 0 { "-" } else { "" };
    // What would be rounded up to a thousand is one of the next unit.
    let fits = |(unit, _): &&(u128, &str)| amount * 2_000 >= unit * 1_999;
    let Some((unit, name)) = UNITS.iter().find(fits) else { return number.to_string() };
    let scaled = |decimals: u32| (amount * 10_u128.pow(decimals) + unit / 2) / unit;
    let decimals = [2, 1].into_iter().find(|&decimals| scaled(decimals) < 1_000).unwrap_or(0);
    let scale = 10_u128.pow(decimals);
    let (whole, fraction) = (scaled(decimals) / scale, scaled(decimals) % scale);
    let width = usize::try_from(decimals).expect("at most two");
    if decimals == 0 {
        format!("{sign}{whole} {name}")
    } else {
        format!("{sign}{whole}.{fraction:0width$} {name}")
    }
}

/// Dollars and cents.
pub(crate) fn dollars(nano: i128) -> String {
    let cents = (nano.unsigned_abs() + 5_000_000) / 10_000_000;
    let sign = if nano < 0 && cents > 0 { "-" } else { "" };
    let whole = i128::try_from(cents / 100).expect("a hundredth of a magnitude fits");
    format!("{sign}${}.{:02}", grouped(whole), cents % 100)
}

/// Whole percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A share as a bar of `cells` cells, in steps of an eighth of one.
pub(crate) fn bar(share: f64, cells: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let mut text = String::new();
    let mut width = 0;
    let each = f64::from(u32::try_from(cells).expect("a bar is short"));
    let mut left = share.clamp(0.0, 1.0) * each;
    while left >= 1.0 && width < cells {
        text.push('█');
        width += 1;
        left -= 1.0;
    }
    let eighth = EIGHTHS.iter().enumerate().rev().find(|(eighths, _)| {
        left * 8.0 + 0.5 >= f64::from(u32::try_from(*eighths).expect("fewer than eight"))
    });
    if let Some((1.., part)) = eighth
        && width < cells
    {
        text.push_str(part);
        width += 1;
    }
    text + &"·".repeat(cells - width)
}

/// Places climbed: `▲2`, `▼1`, `=`; `new` for who was not there before.
pub(crate) fn movement(climbed: Option<i32>) -> String {
    match climbed {
        None => "new".to_owned(),
        Some(0) => "=".to_owned(),
        Some(up @ 1..) => format!("▲{up}"),
        Some(down) => format!("▼{}", down.unsigned_abs()),
    }
}

/// One mark per number, its height beside the greatest.
pub(crate) fn sparkline(numbers: &[i128]) -> String {
    const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let mark = |&number: &i128| {
        let level = (number.max(0) * 7 + most / 2) / most;
        let level = usize::try_from(level.clamp(0, 7)).expect("at most 7");
        if number <= 0 { ' ' } else { MARKS.get(level).copied().unwrap_or('█') }
    };
    numbers.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown =
            [0, 999, 1_000, 9_996, 99_949, 999_500, 79_708_804, -1_500_000, 60_000_000_000_000].map(human);
        let drawn = ["0", "999", "1.00 k", "10.0 k", "99.9 k", "1.00 M", "79.7 M", "-1.50 M", "60.0 T"];
        assert_eq!(shown, drawn);
    }

    #[test]
    fn digits_are_grouped_and_money_is_rounded_to_cents() {
        assert_eq!([0, 1_824, 79_708_804, -1_000].map(grouped), ["0", "1,824", "79,708,804", "-1,000"]);
        let shown =
            [51_742_581_100, 4_999_999, 5_000_000, -1_000_000_000, 1_234_567_890_000_000].map(dollars);
        assert_eq!(shown, ["$51.74", "$0.00", "$0.01", "-$1.00", "$1,234,567.89"]);
    }

    #[test]
    fn a_bar_is_as_full_as_its_share() {
        assert_eq!([0.0, 0.5, 0.92, 1.0].map(|share| bar(share, 4)), ["····", "██··", "███▋", "████"]);
        assert_eq!(percent(0.9188), "92 %");
    }

    #[test]
    fn movement_has_a_direction() {
        assert_eq!([None, Some(0), Some(2), Some(-1)].map(movement), ["new", "=", "▲2", "▼1"]);
    }

    #[test]
    fn a_sparkline_leaves_empty_days_empty() {
        assert_eq!(sparkline(&[0, 1, 50, 100]), " ▁▅█");
        assert_eq!(sparkline(&[]), "");
    }
}
