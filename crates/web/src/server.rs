//! The HTTP side: addresses to pages, pages to answers.

use crate::answer::{Answer, HTML, JSON, Refusal, TEXT, answer, guarded, json_answer, speak};
use crate::ask::{BoardAsk, PersonAsk, Split};
use crate::assets;
use crate::cache::{Cache, Key, Page};
use crate::frame::{self, Frame};
use crate::json;
use crate::live::{Live, Moment};
use crate::me::{forget, me, remember};
use crate::newest::{Known, Newest};
use crate::pages::{self, notice};
use crate::rows::{BoardPage, DaysRow, NewestRow, PersonPage};
use crate::source::{Source, SourceError};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::routing::{get, post};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tally_domain::{PersonId, WallTime};
use tower_http::timeout::TimeoutLayer;

/// The clock of the installation; it may stand still.
pub type Clock = Arc<dyn Fn() -> WallTime + Send + Sync>;

/// What the pages must know of the installation.
#[derive(Clone)]
pub struct Options {
    /// Numbers older than this are called old.
    pub stale_after: Duration,
    /// A page that took longer than this is given up.
    pub answer_within: Duration,
    /// Address of the collector, as the empty page shows it.
    pub collector: String,
    /// Address of the ranker, whose live board is shown; without one, boards are those of the newest snapshot.
    pub ranker: Option<String>,
    /// See [`Clock`].
    pub clock: Clock,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("stale_after", &self.stale_after)
            .field("answer_within", &self.answer_within)
            .field("collector", &self.collector)
            .field("ranker", &self.ranker)
            .finish_non_exhaustive()
    }
}

struct Web<S> {
    source: S,
    options: Options,
    newest: Newest,
    live: Live,
    boards: Cache<BoardPage>,
    people: Cache<PersonPage>,
    days: Cache<Vec<DaysRow>>,
    pages: Cache<Page>,
    /// Pages of live boards, which change far more often.
    live_pages: Cache<Page>,
}

type Shared<S> = State<Arc<Web<S>>>;
type Pairs = Query<Vec<(String, String)>>;

/// Every address of the pages.
pub fn router<S: Source>(source: S, options: Options) -> axum::Router {
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, options.answer_within);
    let live = Live::new(options.ranker.as_deref());
    let web = Web {
        source,
        options,
        newest: Newest::default(),
        live,
        boards: Cache::default(),
        people: Cache::default(),
        days: Cache::default(),
        pages: Cache::default(),
        live_pages: Cache::default(),
    };
    axum::Router::new()
        .route("/", get(board::<S>))
        .route("/people/{person}", get(person::<S>))
        .route("/me", get(me).post(remember))
        .route("/api/board.json", get(board_json::<S>))
        .route("/api/people/{file}", get(person_json::<S>))
        .route("/healthz", get(health::<S>))
        .route("/assets/{name}", get(asset))
        .route("/me/forget", post(forget))
        .fallback(missing)
        .layer(timeout)
        .layer(map_response(guarded))
        .with_state(Arc::new(web))
}

async fn board<S: Source>(State(web): Shared<S>, Query(pairs): Pairs, headers: HeaderMap) -> Answer {
    let page = board_page(&web, &pairs, false).await;
    web.html(page, &headers)
}

async fn board_json<S: Source>(State(web): Shared<S>, Query(pairs): Pairs, headers: HeaderMap) -> Answer {
    let page = board_page(&web, &pairs, true).await;
    json_answer(page, &headers)
}

async fn board_page<S: Source>(
    web: &Arc<Web<S>>,
    pairs: &[(String, String)],
    as_json: bool,
) -> Result<Arc<Page>, Refusal> {
    let ask = BoardAsk::read(pairs)?;
    let (newest, notice) = web.moment().await?;
    let path = if as_json { "/api/board.json" } else { "/" };
    if let Some(page) = live_page(web, &ask, newest, as_json).await {
        return Ok(page);
    }
    let key = Key { snapshot: newest.snapshot, notice, address: ask.address(path) };
    let made = Arc::clone(web);
    present(&web.pages, key, move |key| async move { made.make_board(key, &ask, newest, as_json).await })
        .await
}

/// The page of the live board; `None` when the reader stays with a snapshot, or the ranker does not answer.
async fn live_page<S: Source>(
    web: &Arc<Web<S>>,
    ask: &BoardAsk,
    newest: NewestRow,
    as_json: bool,
) -> Option<Arc<Page>> {
    if ask.at.is_some() {
        return None;
    }
    let moment = web.live.moment(&newest).await?;
    let path = if as_json { "/api/board.json" } else { "/" };
    let notice = web.staleness(moment.as_of);
    let key = Key { snapshot: moment.count, notice, address: ask.address(path) };
    let (made, ask) = (Arc::clone(web), ask.clone());
    let make = move |key| async move { made.make_live(key, &ask, newest, moment, as_json).await };
    present(&web.live_pages, key, make).await.ok()
}

async fn person<S: Source>(
    State(web): Shared<S>,
    Path(id): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer {
    let page = match crate::ask::person("person", &id) {
        Ok(id) => person_page(&web, id, &pairs, false).await,
        Err(_) => Err(Refusal::Nobody),
    };
    web.html(page, &headers)
}

async fn person_json<S: Source>(
    State(web): Shared<S>,
    Path(file): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer {
    let id = file.strip_suffix(".json").and_then(|id| id.parse().ok());
    let page = match id {
        Some(id) => person_page(&web, id, &pairs, true).await,
        None => Err(Refusal::Nobody),
    };
    json_answer(page, &headers)
}

async fn person_page<S: Source>(
    web: &Arc<Web<S>>,
    id: PersonId,
    pairs: &[(String, String)],
    as_json: bool,
) -> Result<Arc<Page>, Refusal> {
    let mut ask = PersonAsk::read(id, pairs)?;
    if as_json {
        ask.split = Split::Class;
    }
    let (newest, notice) = web.moment().await?;
    let address = format!("{}{}", if as_json { "json:" } else { "" }, ask.address());
    let key = Key { snapshot: newest.snapshot, notice, address };
    let made = Arc::clone(web);
    present(&web.pages, key, move |key| async move { made.make_person(key, &ask, newest, as_json).await })
        .await
}

/// The page of `key`. While `make` is at it, readers get the page of the snapshot before, so that none waits for a
/// query each time the numbers change.
async fn present<M, F>(pages: &Cache<Page>, key: Key, make: M) -> Result<Arc<Page>, Refusal>
where
    M: FnOnce(Key) -> F,
    F: Future<Output = Result<Arc<Page>, Refusal>> + Send + 'static,
{
    match pages.before(&key) {
        None => make(key).await,
        Some((page, false)) => Ok(page),
        Some((page, true)) => {
            // It ends by itself within the engine's limit; what it makes or says goes into the cache.
            drop(tokio::spawn(make(key)));
            Ok(page)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
fn unwritable(error: askama::Error) -> Refusal {
    Refusal::Source(SourceError { what: "a page", why: error.to_string() })
}

impl<S: Source> Web<S> {
    /// The snapshot to show, and what to say about its age.
    async fn moment(&self) -> Result<(NewestRow, Option<String>), Refusal> {
        match self.newest.get(&self.source).await? {
            Known::Nothing => Err(Refusal::Nothing),
            Known::Last(last) => Ok((last, Some(frame::unreachable(last.as_of())))),
            Known::Fresh(newest) if newest.people == 0 => Err(Refusal::Nothing),
            Known::Fresh(newest) => Ok((newest, self.staleness(newest.as_of()))),
        }
    }

    fn staleness(&self, as_of: WallTime) -> Option<String> {
        let limit_ms = i64::try_from(self.options.stale_after.as_millis()).unwrap_or(i64::MAX);
        frame::staleness(as_of, (self.options.clock)(), limit_ms)
    }

    async fn make_board(
        &self,
        key: Key,
        ask: &BoardAsk,
        newest: NewestRow,
        as_json: bool,
    ) -> Result<Arc<Page>, Refusal> {
        let notice = key.notice.clone();
        let render = async {
            let page = self.board_rows(ask, &newest).await?;
            if as_json {
                return Ok(Page::new(200, JSON, json::board(ask, &page)));
            }
            board_html(frame_of(&page, newest, notice), ask, &page)
        };
        kept(&self.pages, key, render).await
    }

    async fn make_live(
        &self,
        key: Key,
        ask: &BoardAsk,
        newest: NewestRow,
        moment: Moment,
        as_json: bool,
    ) -> Result<Arc<Page>, Refusal> {
        let notice = key.notice.clone();
        let render = async {
            let board = self.live.board(ask).await.ok_or(Refusal::Nothing)?;
            let days = self.days(board.people(), newest, moment).await?;
            let page = board.page(&newest, &days).ok_or(Refusal::Nothing)?;
            if as_json {
                return Ok(Page::new(200, JSON, json::board(ask, &page)));
            }
            board_html(frame_of(&page, newest, notice).live(), ask, &page)
        };
        kept(&self.live_pages, key, render).await
    }

    /// The days of the people of a page, read once per snapshot: they are the slow part, and change little.
    async fn days(
        &self,
        mut people: Vec<PersonId>,
        newest: NewestRow,
        moment: Moment,
    ) -> Result<Arc<Vec<DaysRow>>, Refusal> {
        people.sort_unstable();
        let last = moment.as_of.minute().day();
        let who: String = people.iter().map(PersonId::to_string).collect();
        let key = Key { snapshot: newest.snapshot, notice: None, address: format!("{} {who}", last.0) };
        let read = async { Ok(self.source.days(&people, last).await?) };
        self.days.get_or_make(key, read).await
    }

    async fn make_person(
        &self,
        key: Key,
        ask: &PersonAsk,
        newest: NewestRow,
        as_json: bool,
    ) -> Result<Arc<Page>, Refusal> {
        let notice = key.notice.clone();
        let render = async {
            let page = self.person_rows(ask, &newest).await?;
            if as_json {
                return Ok(Page::new(200, JSON, json::person(ask, &newest, &page)));
            }
            let html = pages::person::render(Frame::of("person", &newest, notice), ask, &page);
            Ok(Page::new(200, HTML, html.map_err(unwritable)?))
        };
        kept(&self.pages, key, render).await
    }

    /// Kept apart from the pages: when the engine is away, the last numbers are shown with another word.
    async fn board_rows(&self, ask: &BoardAsk, newest: &NewestRow) -> Result<Arc<BoardPage>, Refusal> {
        let key = Key { snapshot: newest.snapshot, notice: None, address: ask.address("/") };
        let read = async { BoardPage::of(self.source.board(ask, newest).await?).ok_or(Refusal::Nothing) };
        self.boards.get_or_make(key, read).await
    }

    async fn person_rows(&self, ask: &PersonAsk, newest: &NewestRow) -> Result<Arc<PersonPage>, Refusal> {
        let key = Key { snapshot: newest.snapshot, notice: None, address: ask.address() };
        let read = async { PersonPage::of(self.source.person(ask, newest).await?).ok_or(Refusal::Nobody) };
        self.people.get_or_make(key, read).await
    }

    fn html(&self, page: Result<Arc<Page>, Refusal>, headers: &HeaderMap) -> Answer {
        let refusal = match page {
            Ok(page) => return answer(&page, headers),
            Err(refusal) => refusal,
        };
        let (status, notice) = match refusal {
            Refusal::Nothing => (200, notice::empty(&self.options.collector)),
            Refusal::Nobody => (404, notice::nobody()),
            Refusal::Ask(error) => (400, notice::not_understood(error.to_string())),
            Refusal::Source(error) => {
                tracing::warn!(error = %error, "a page could not be made");
                (503, notice::unreachable(error.to_string()))
            }
        };
        speak(status, &notice, headers)
    }
}

/// A failure is forgotten, so that the next reader tries again.
async fn kept<F>(pages: &Cache<Page>, key: Key, render: F) -> Result<Arc<Page>, Refusal>
where
    F: Future<Output = Result<Page, Refusal>> + Send,
{
    let made = pages.get_or_make(key.clone(), render).await;
    if made.is_err() {
        pages.forget(&key);
    }
    made
}

/// Says what the rows of a board are true for, which may be another snapshot than the newest.
fn frame_of(page: &BoardPage, newest: NewestRow, notice: Option<String>) -> Frame {
    let company = &page.company;
    let shown = NewestRow { snapshot: company.snapshot, as_of_ms: company.as_of_ms, ..newest };
    Frame::of("board", &shown, notice)
}

fn board_html(frame: Frame, ask: &BoardAsk, page: &BoardPage) -> Result<Page, Refusal> {
    let html = pages::board::render(frame, ask, page);
    Ok(Page::new(200, HTML, html.map_err(unwritable)?))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let Some(file) = assets::find(&name) else { return missing(headers).await };
    let mut answer = answer(&Page::new(200, file.media, file.body.to_owned()), &headers);
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.headers_mut().insert(header::CACHE_CONTROL, kept);
    answer
}

/// Whether the engine answers.
async fn health<S: Source>(State(web): Shared<S>, headers: HeaderMap) -> Answer {
    let (status, text) = match web.newest.get(&web.source).await {
        Ok(Known::Fresh(newest)) => {
            (200, format!("ok: snapshot {} of {}\n", newest.snapshot, newest.as_of()))
        }
        Ok(Known::Nothing) => (200, "ok: no snapshot yet\n".to_owned()),
        Ok(Known::Last(_)) => (503, "the database does not answer\n".to_owned()),
        Err(error) => (503, format!("{error}\n")),
    };
    answer(&Page::new(status, TEXT, text), &headers)
}

async fn missing(headers: HeaderMap) -> Answer {
    speak(404, &notice::not_found(), &headers)
}
