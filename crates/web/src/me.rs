//! Who the reader is: told by themselves, kept by their browser and by nobody else.

use crate::answer::{Answer, speak};
use crate::ask::BoardAsk;
use crate::pages::notice;
use axum::body::Body;
use axum::extract::Form;
use axum::http::{HeaderMap, Response, header};
use tally_domain::PersonId;

const COOKIE: &str = "tally_me";

#[derive(serde::Deserialize)]
pub(crate) struct Me {
    person: String,
}

/// Where the reader stands, if this browser was told who that is.
pub(crate) async fn me(headers: HeaderMap) -> Answer {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let person =
        pairs.find(|(name, _)| *name == COOKIE).and_then(|(_, value)| value.parse::<PersonId>().ok());
    match person {
        Some(person) => {
            redirect(&BoardAsk { around: Some(person), ..BoardAsk::default() }.address("/"), None)
        }
        None => speak(200, &notice::who_are_you(), &headers),
    }
}

/// Remembers in this browser, and nowhere else, who the reader is.
pub(crate) async fn remember(headers: HeaderMap, Form(form): Form<Me>) -> Answer {
    match crate::ask::person("person", &form.person) {
        Ok(person) => redirect("/me", Some(&format!("{COOKIE}={person}; Max-Age=31536000"))),
        Err(error) => speak(400, &notice::not_understood(error.to_string()), &headers),
    }
}

/// Forgets it again.
pub(crate) async fn forget() -> Answer {
    redirect("/me", Some(&format!("{COOKIE}=; Max-Age=0")))
}

fn redirect(to: &str, cookie: Option<&str>) -> Answer {
    let builder = Response::builder()
        .status(303)
        .header(header::LOCATION, to)
        .header(header::CACHE_CONTROL, "no-store");
    let builder = match cookie {
        Some(cookie) => {
            builder.header(header::SET_COOKIE, format!("{cookie}; Path=/; HttpOnly; SameSite=Strict"))
        }
        None => builder,
    };
    builder.body(Body::empty()).expect("addresses and ids are plain text")
}
