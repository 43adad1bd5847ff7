//! Encryption and proof of identity: TLS, SASL/PLAIN, SCRAM and OAUTHBEARER.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientConfig;
use rdkafka::client::OAuthToken;

/// How a client and a broker know each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// Encrypts, and proves the broker's identity; `None`: in the clear.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Proves this client's identity.
    #[serde(default)]
    pub sasl: Option<Sasl>,
}

/// Certificates, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whom to believe; `None`: whom this machine believes.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// This client's own certificate and its key, where brokers ask for one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// See [`Self::certificate`].
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// What the key is encrypted with.
    #[serde(default)]
    pub key_password: Option<Password>,
}

/// A mechanism of SASL.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(tag = "mechanism", deny_unknown_fields)]
pub enum Sasl {
    /// Name and password as they are: only with [`Security::tls`].
    #[serde(rename = "PLAIN")]
    Plain {
        /// Name.
        user: String,
        /// Its password.
        password: Password,
    },
    /// Name and a proof that the password is known.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256 {
        /// Name.
        user: String,
        /// Its password.
        password: Password,
    },
    /// As [`Self::ScramSha256`], with the longer hash.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512 {
        /// Name.
        user: String,
        /// Its password.
        password: Password,
    },
    /// A token of an identity provider, which something else keeps fresh in a file.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer {
        /// A file with one JSON web token; it is read again whenever the last one runs out.
        token_file: PathBuf,
    },
}

/// Never shown.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(masked)")
    }
}

impl Security {
    pub(crate) fn tell(&self, told: &mut ClientConfig) {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        told.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            tls.tell(told);
        }
        let (mechanism, user, password) = match &self.sasl {
            None => return,
            Some(Sasl::OauthBearer { .. }) => {
                told.set("sasl.mechanisms", "OAUTHBEARER");
                return;
            }
            Some(Sasl::Plain { user, password }) => ("PLAIN", user, password),
            Some(Sasl::ScramSha256 { user, password }) => ("SCRAM-SHA-256", user, password),
            Some(Sasl::ScramSha512 { user, password }) => ("SCRAM-SHA-512", user, password),
        };
        told.set("sasl.mechanisms", mechanism).set("sasl.username", user).set("sasl.password", &password.0);
    }

    /// Where tokens come from, if they are what proves this client's identity.
    pub(crate) fn token_file(&self) -> Option<PathBuf> {
        match &self.sasl {
            Some(Sasl::OauthBearer { token_file }) => Some(token_file.clone()),
            _ => None,
        }
    }
}

impl Tls {
    fn tell(&self, told: &mut ClientConfig) {
        told.set("ssl.endpoint.identification.algorithm", "https");
        let files = [
            ("ssl.ca.location", &self.ca),
            ("ssl.certificate.location", &self.certificate),
            ("ssl.key.location", &self.key),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                told.set(key, file.to_string_lossy());
            }
        }
        if let Some(password) = &self.key_password {
            told.set("ssl.key.password", &password.0);
        }
    }
}

/// What of a JSON web token a client must know; whether it is genuine is for the broker to say.
#[derive(serde::Deserialize)]
struct Claims {
    /// Whom it speaks of.
    sub: String,
    /// Until when it is good, s since 1970.
    exp: i64,
}

/// Reads the text of a token file.
///
/// # Errors
/// When it holds no JSON web token with subject and expiry. The text itself is in no message.
pub(crate) fn token(text: &str) -> Result<OAuthToken, String> {
    let token = text.trim();
    let payload = token.split('.').nth(1).ok_or("it holds no JSON web token: there is no second part")?;
    let bytes = URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .map_err(|_| "the second part of the token is not base64url")?;
    let claims: Claims = serde_json::from_slice(&bytes)
        .map_err(|_| "the token names no subject (\"sub\") or no end (\"exp\", a whole number of seconds)")?;
    Ok(OAuthToken {
        token: token.to_owned(),
        principal_name: claims.sub,
        lifetime_ms: claims.exp.saturating_mul(1000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is_and_how_long_it_is_good() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"tally","exp":1700000000,"aud":["kafka"]}"#);
        let read = token(&format!("eyJhbGciOiJub25lIn0.{payload}.\n")).unwrap();
        assert_eq!((&*read.principal_name, read.lifetime_ms), ("tally", 1_700_000_000_000));
        assert_eq!(read.token, format!("eyJhbGciOiJub25lIn0.{payload}."));
        for wrong in ["", "secret", "a.b!.c", &format!("a.{}.c", URL_SAFE_NO_PAD.encode("{}"))] {
            let why = token(wrong).err().unwrap();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn every_choice_has_its_protocol_and_no_password_is_shown() {
        let scram = Sasl::ScramSha512 { user: "u".to_owned(), password: Password("hidden".to_owned()) };
        let told = |tls: Option<Tls>, sasl: Option<Sasl>| {
            let mut told = ClientConfig::new();
            Security { tls, sasl }.tell(&mut told);
            told.get("security.protocol").unwrap().to_owned()
        };
        assert!(!format!("{scram:?}").contains("hidden"));
        assert_eq!(told(None, None), "plaintext");
        assert_eq!(told(None, Some(scram.clone())), "sasl_plaintext");
        assert_eq!(told(Some(Tls::default()), None), "ssl");
        assert_eq!(told(Some(Tls::default()), Some(scram)), "sasl_ssl");
    }
}
