//! What the front must know of a statement before the engine sees it: its kind, its output format, and where
//! the text of an `INSERT` ends and its data begins.
//!
//! Only as much lexing as that needs; the engine's own parser judges the rest.

use std::ops::Range;

#[cfg(test)]
mod tests;

/// A statement, cut where the front needs it. Ranges index the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Nothing but blanks and comments.
    Empty,
    /// `INSERT` with data after it.
    Insert {
        /// The statement without its `FORMAT` clause or `VALUES` word.
        text: Range<usize>,
        /// The input format; `None` when the statement names none.
        format: Option<String>,
        /// Where the data begins.
        data: usize,
    },
    /// `SELECT`, `WITH` or a parenthesis: what the engine can stream.
    Select {
        /// The format it names itself.
        format: Option<String>,
        /// Whether totals or extremes may follow the rows, which chunked output cannot carry.
        totals: bool,
    },
    /// `KILL …`, with the place of a final `SYNC`, which would never return.
    Kill {
        /// The word `SYNC`.
        sync: Option<Range<usize>>,
        /// The literal of `QUERY WHERE query_id = '…'`, with the range of `query_id`.
        query_id: Option<Range<usize>>,
    },
    /// Any other statement.
    Other {
        /// The format it names itself.
        format: Option<String>,
        /// The first word, in capitals.
        verb: String,
    },
    /// A statement that only a client could serve: it names a file of its own machine.
    ClientFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Word,
    Quoted,
    Number,
    Open,
    Close,
    Semicolon,
    Other,
}

/// Words, literals and brackets of `text`, without blanks and comments.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_to(&mut self, end: &[u8]) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at = rest
            .windows(end.len())
            .position(|window| window == end)
            .map_or(self.text.len(), |found| self.at + found + end.len());
    }

    fn skip_blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'-', b'-') | (b'#', b'!' | b' ') => self.skip_to(b"\n"),
                (b'/', b'*') => self.skip_to(b"*/"),
                (byte, _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                _ => return,
            }
        }
    }

    /// Skips a quoted literal or name; a backslash and a doubled quote keep it open.
    fn skip_quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\\', _) => self.at += 2,
                (byte, next) if byte == quote && next == quote => self.at += 2,
                (byte, _) if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
    }

    /// Skips `$tag$ … $tag$`; a lone dollar is a sign like any other.
    fn skip_heredoc(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let tag = rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
        let start = self.at;
        self.at += 1;
        if let Some(length) = tag.filter(|length| rest.get(*length) == Some(&b'$')) {
            let fence = self.text.get(start..start + length + 2).unwrap_or_default().to_vec();
            self.at = start + fence.len();
            self.skip_to(&fence);
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let start = self.at;
        let token = match *self.text.get(start)? {
            quote @ (b'\'' | b'"' | b'`') => {
                self.skip_quoted(quote);
                Token::Quoted
            }
            b'$' => {
                self.skip_heredoc();
                Token::Quoted
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' || self.peek(0) >= 0x80 {
                    self.at += 1;
                }
                Token::Word
            }
            byte if byte.is_ascii_digit() => {
                while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
                    self.at += 1;
                }
                Token::Number
            }
            byte => {
                self.at += 1;
                match byte {
                    b'(' | b'[' | b'{' => Token::Open,
                    b')' | b']' | b'}' => Token::Close,
                    b';' => Token::Semicolon,
                    _ => Token::Other,
                }
            }
        };
        Some((token, start..self.at))
    }
}

impl Statement {
    /// Reads the statement at the head of `text`, which may be followed by the data of an `INSERT`.
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut tokens = Tokens::new(text);
        let Some((token, first)) = tokens.by_ref().find(|(token, _)| *token != Token::Semicolon) else {
            return Self::Empty;
        };
        let verb = upper(text, &first);
        match (token, verb.as_str()) {
            (Token::Word, "INSERT") => read_insert(text, first.start, tokens),
            (Token::Word, "KILL") => read_kill(text, tokens),
            (Token::Word, "SELECT" | "WITH" | "FROM") | (Token::Open, _) => {
                let tail = Tail::read(text, tokens);
                if tail.outfile {
                    Self::ClientFile
                } else {
                    Self::Select { format: tail.format, totals: tail.totals }
                }
            }
            _ => {
                let tail = Tail::read(text, tokens);
                if tail.outfile { Self::ClientFile } else { Self::Other { format: tail.format, verb } }
            }
        }
    }
}

/// Whether anything but blanks, comments and semicolons follows a first semicolon.
pub(crate) fn has_second_statement(text: &[u8]) -> bool {
    Tokens::new(text)
        .map(|(token, _)| token)
        .skip_while(|token| *token == Token::Semicolon)
        .skip_while(|token| *token != Token::Semicolon)
        .any(|token| token != Token::Semicolon)
}

fn upper(text: &[u8], range: &Range<usize>) -> String {
    String::from_utf8_lossy(text.get(range.clone()).unwrap_or_default()).to_ascii_uppercase()
}

fn name(text: &[u8], range: &Range<usize>) -> String {
    let name = String::from_utf8_lossy(text.get(range.clone()).unwrap_or_default()).into_owned();
    name.trim_matches(|c| c == '`' || c == '"').to_owned()
}

/// The clauses at the end of a query that decide how its result is written.
#[derive(Default)]
struct Tail {
    format: Option<String>,
    totals: bool,
    outfile: bool,
}

impl Tail {
    fn read(text: &[u8], tokens: Tokens<'_>) -> Self {
        let mut tail = Self::default();
        let mut depth = 0_usize;
        let mut before = String::new();
        let mut just_named = false;
        for (token, range) in tokens {
            // A format is named at the end: before SETTINGS, a semicolon, or nothing. Elsewhere `format` is a name.
            let ends =
                token == Token::Semicolon || matches!(upper(text, &range).as_str(), "SETTINGS" | "INTO");
            if std::mem::take(&mut just_named) && !ends {
                tail.format = None;
            }
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Word | Token::Quoted => {
                    let word = if token == Token::Word { upper(text, &range) } else { String::new() };
                    // Anywhere, not only outside parentheses: taking too many for totals costs only streaming.
                    tail.totals |= (before == "WITH" && word == "TOTALS") || word == "EXTREMES";
                    tail.outfile |= depth == 0 && before == "INTO" && word == "OUTFILE";
                    if depth == 0 && before == "FORMAT" {
                        tail.format = Some(name(text, &range));
                        just_named = true;
                    }
                    before = word;
                    continue;
                }
                _ => {}
            }
            before.clear();
        }
        tail
    }
}

fn read_insert(text: &[u8], start: usize, mut tokens: Tokens<'_>) -> Statement {
    let mut depth = 0_usize;
    // The target may be named like a keyword (`INSERT INTO values …`), so what follows INTO [TABLE] is skipped.
    let mut target_seen = false;
    while let Some((token, range)) = tokens.next() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Semicolon => break,
            Token::Quoted if depth == 0 => target_seen = true,
            Token::Word if depth == 0 => match upper(text, &range).as_str() {
                "INTO" | "TABLE" | "FUNCTION" if !target_seen => {}
                _ if !target_seen => target_seen = true,
                "VALUES" => {
                    let format = Some("Values".to_owned());
                    return Statement::Insert { text: start..range.start, format, data: range.end };
                }
                "FORMAT" => return insert_format(text, start..range.start, tokens),
                "INFILE" => return Statement::ClientFile,
                "SELECT" | "WITH" | "WATCH" => {
                    let format = Tail::read(text, tokens).format;
                    return Statement::Other { format, verb: "INSERT".to_owned() };
                }
                _ => {}
            },
            _ => {}
        }
    }
    Statement::Insert { text: start..text.len(), format: None, data: text.len() }
}

/// `FORMAT <name>`, then blanks up to one line end, then the data.
fn insert_format(text: &[u8], statement: Range<usize>, mut tokens: Tokens<'_>) -> Statement {
    let Some((_, range)) = tokens.next() else {
        return Statement::Insert { text: statement, format: None, data: text.len() };
    };
    match name(text, &range) {
        values if values.eq_ignore_ascii_case("VALUES") => {
            Statement::Insert { text: statement, format: Some("Values".to_owned()), data: range.end }
        }
        format => {
            Statement::Insert { text: statement, format: Some(format), data: skip_line_end(text, range.end) }
        }
    }
}

fn skip_line_end(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | 0x0b | 0x0c)) {
        at += 1;
    }
    if text.get(at) == Some(&b';') {
        at += 1;
    }
    if text.get(at) == Some(&b'\n') { at + 1 } else { at }
}

fn read_kill(text: &[u8], tokens: Tokens<'_>) -> Statement {
    let tokens: Vec<_> = tokens.filter(|(token, _)| *token != Token::Semicolon).collect();
    let sync = tokens
        .iter()
        .rfind(|(token, range)| *token == Token::Word && upper(text, range) == "SYNC")
        .map(|(_, range)| range.clone());
    let words: Vec<String> = tokens.iter().take(4).map(|(_, range)| upper(text, range)).collect();
    let by_id = words.iter().map(String::as_str).eq(["QUERY", "WHERE", "QUERY_ID", "="]);
    let query_id = by_id.then(|| tokens.get(2).map(|(_, range)| range.clone())).flatten();
    Statement::Kill { sync, query_id }
}
