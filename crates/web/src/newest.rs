//! Which snapshot is the newest: asked at most once a second, however many read.

use crate::rows::NewestRow;
use crate::source::{Source, SourceError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long an answer is believed.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// What is known about the newest snapshot.
#[derive(Clone, Debug)]
pub enum Known {
    /// The engine just said so.
    Fresh(NewestRow),
    /// There is no snapshot yet.
    Nothing,
    /// The engine does not answer; this was the last it said.
    Last(NewestRow),
}

/// Remembers the newest snapshot.
#[derive(Debug, Default)]
pub struct Newest {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: Option<Instant>,
    answer: Option<Result<Option<NewestRow>, SourceError>>,
    last: Option<NewestRow>,
}

impl Newest {
    /// Asks `source`, unless it was asked within the last second.
    ///
    /// # Errors
    /// When the engine does not answer and never did.
    pub async fn get<S: Source>(&self, source: &S) -> Result<Known, SourceError> {
        let mut state = self.state.lock().await;
        if state.asked.is_none_or(|asked| asked.elapsed() >= ASKED_EVERY) {
            let answer = source.newest().await;
            if let Ok(Some(newest)) = &answer {
                state.last = Some(*newest);
            }
            state.answer = Some(answer);
            state.asked = Some(Instant::now());
        }
        match (&state.answer, state.last) {
            (Some(Ok(Some(newest))), _) => Ok(Known::Fresh(*newest)),
            (Some(Ok(None)) | None, _) => Ok(Known::Nothing),
            (Some(Err(_)), Some(last)) => Ok(Known::Last(last)),
            (Some(Err(error)), None) => Err(error.clone()),
        }
    }
}
