use proptest::prelude::*;

use super::*;

/// Lines with their starts, of a file given in pieces of `piece` bytes.
fn lines(file: &[u8], piece: usize, bound: usize) -> Vec<(u64, String)> {
    let mut cut = Lines::bounded(0, bound);
    let mut found = Vec::new();
    let mut keep = |start: u64, line: Line<'_>| match line {
        Line::Whole(line) => found.push((start, String::from_utf8_lossy(line).into_owned())),
        Line::TooLong { bytes } => found.push((start, format!("({bytes} bytes)"))),
    };
    file.chunks(piece.max(1)).for_each(|bytes| cut.push(bytes, &mut keep));
    cut.finish(&mut keep);
    found
}

fn shown(found: &[(u64, String)]) -> Vec<(u64, &str)> {
    found.iter().map(|(start, line)| (*start, line.as_str())).collect()
}

#[test]
fn lines_come_with_their_starts_and_without_their_ends() {
    assert_eq!(
        shown(&lines(b"one\r\n\ntwo\nlast", 100, 10)),
        [(0, "one"), (5, ""), (6, "two"), (10, "last")]
    );
    assert!(lines(b"", 1, 10).is_empty());
}

#[test]
fn a_line_beyond_the_bound_is_counted_and_not_held() {
    let file = [&b"a\n"[..], &[b'x'; 50], b"\nb\n"].concat();
    assert_eq!(shown(&lines(&file, 7, 10)), [(0, "a"), (2, "(50 bytes)"), (53, "b")]);
    assert_eq!(shown(&lines(&file, 1000, 10)), [(0, "a"), (2, "(50 bytes)"), (53, "b")]);
    let mut cut = Lines::bounded(0, 10);
    for _ in 0..1000 {
        cut.push(&[b'x'; 9], |_, _| panic!("no line ends here"));
        assert!(cut.held.capacity() <= 32, "held {} bytes", cut.held.capacity());
    }
    assert_eq!(cut.unfinished_from(), 0);
}

proptest! {
    #[test]
    fn how_a_file_comes_in_pieces_never_shows(
        file in "[ab\\n\\r]{0,60}", piece in 1..20_usize, bound in 0..12_usize,
    ) {
        prop_assert_eq!(lines(file.as_bytes(), piece, bound), lines(file.as_bytes(), 1000, bound));
    }
}
