//! Who may send statements: everyone, or one user.

use axum::http::HeaderMap;

/// The name and password of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credentials {
    /// From ClickHouse's headers, HTTP Basic, or the parameters, in this order.
    pub(crate) fn read(headers: &HeaderMap, user: Option<String>, password: Option<String>) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let named =
            header("X-ClickHouse-User").map(|user| (user, header("X-ClickHouse-Key").unwrap_or_default()));
        let basic = || header("Authorization").and_then(|value| basic(&value));
        let given = || user.map(|user| (user, password.unwrap_or_default()));
        let (user, password) =
            named.or_else(basic).or_else(given).unwrap_or_else(|| ("default".to_owned(), String::new()));
        Self { user, password }
    }
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64(encoded.trim())?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Decodes base64 of the standard alphabet, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits =
        text.trim_end_matches('=').bytes().map(|byte| ALPHABET.iter().position(|known| *known == byte));
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::new());
    for digit in digits {
        bits = (bits << 6 | u32::try_from(digit?).ok()?) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

/// The one user of a guarded engine.
#[derive(Debug)]
pub(crate) struct Login(Credentials);

impl Login {
    pub(crate) fn new(user: String, password: String) -> Self {
        Self(Credentials { user, password })
    }

    /// Whether these are the user's credentials, in a time that does not depend on where they differ.
    pub(crate) fn admits(&self, given: &Credentials) -> bool {
        let same = |a: &str, b: &str| {
            let differing = a.bytes().zip(b.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
            a.len() == b.len() && differing == 0
        };
        same(&self.0.user, &given.user) & same(&self.0.password, &given.password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".parse().expect("a header"));
        let read = Credentials::read(&headers, None, None);
        assert_eq!((read.user.as_str(), read.password.as_str()), ("Aladdin", "open sesame"));
    }

    #[test]
    fn only_the_whole_password_is_admitted() {
        let login = Login::new("u".to_owned(), "secret".to_owned());
        let given = |password: &str| Credentials { user: "u".to_owned(), password: password.to_owned() };
        assert!(login.admits(&given("secret")));
        assert!(
            !login.admits(&given("secre")) && !login.admits(&given("secret1")) && !login.admits(&given(""))
        );
    }
}
