//! Rust source without its comments and literals, line by line where they were.

/// The same lines with every comment, string and character literal blanked, so that words found are code.
pub(crate) fn only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = skip(rest, out.chars().next_back());
        let (gone, kept) = if skipped == 0 { (0, first.len_utf8()) } else { (skipped, 0) };
        if gone > 0 {
            out.push(' ');
            out.extend(rest[..gone].chars().filter(|it| *it == '\n'));
        } else {
            out.push(first);
        }
        rest = &rest[gone + kept..];
    }
    out
}

/// Bytes of the comment or literal that `rest` begins with; 0 when it begins with neither.
fn skip(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|it| it.is_alphanumeric() || it == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if !in_word && (rest.starts_with('r') || rest.starts_with("br")) { raw_string(rest) } else { 0 }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, found) in rest.char_indices().skip(1) {
        match found {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match inside.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some((at, found)) if rest[at + found.len_utf8()..].starts_with('\'') => at + found.len_utf8() + 1,
        _ => 0,
    }
}

fn raw_string(rest: &str) -> usize {
    let body = rest.trim_start_matches('b').trim_start_matches('r');
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body[hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len() + hashes + 1;
    rest[start..].find(&close).map_or(rest.len(), |at| start + at + close.len())
}

/// The identifiers and numbers of one line.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|it: char| !it.is_alphanumeric() && it != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
