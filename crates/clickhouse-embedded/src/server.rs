//! ClickHouse's HTTP interface over the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::exception::{AUTHENTICATION_FAILED, Exception};
use crate::ffi::{Connection, Library};
use crate::options::EngineOptions;
use crate::session::Sessions;
use crate::writes::Writes;

mod access;
mod call;
mod reply;
mod run;

use call::Call;
use reply::Reply;

/// What a server says of itself in every answer.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    version: String,
    timezone: String,
    display_name: String,
}

struct Shared {
    sessions: Arc<Sessions>,
    writes: Arc<Writes>,
    identity: Identity,
    access: Option<access::Login>,
    statements: Arc<Semaphore>,
}

/// The HTTP front of one engine.
#[derive(Clone)]
pub(crate) struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// Prepares the front; `root` answers who the engine is.
    pub(crate) fn new(
        library: &'static Library,
        arguments: Vec<String>,
        root: &mut Connection,
        options: &EngineOptions,
    ) -> Result<Self, Exception> {
        let answer = root.query(b"SELECT version(), timezone(), displayName()", "TabSeparated", &[])?;
        let line = String::from_utf8_lossy(answer.bytes()).trim_end().to_owned();
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let identity = Identity { version: next(), timezone: next(), display_name: next() };
        let access = options
            .user
            .clone()
            .map(|user| access::Login::new(user, options.password.clone().unwrap_or_default()));
        let writes = Arc::new(Writes::new(library.connect(&arguments)?));
        writes.check()?;
        let shared = Shared {
            writes,
            sessions: Arc::new(Sessions::new(library, arguments)),
            identity,
            access,
            statements: Arc::new(Semaphore::new(usize::from(options.max_statements))),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(crate) fn router(&self) -> Router {
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            while let Some(shared) = shared.upgrade() {
                shared.sessions.expire(Instant::now());
                // What the engine does not tell now it tells before the next answer to a statement that writes.
                let checked = tokio::task::spawn_blocking(move || shared.writes.check()).await;
                drop(checked);
                tick.tick().await;
            }
        });
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Closes the sessions that lie idle.
    pub(crate) fn close_sessions(&self) {
        self.shared.sessions.clear();
    }
}

/// `GET /` without a query, and the health checks: what load balancers and clients look for.
fn is_health_check(request: &Request) -> bool {
    let path = request.uri().path();
    let empty = request.uri().query().is_none_or(str::is_empty);
    matches!(path, "/ping" | "/replicas_status") || (path == "/" && request.method() != Method::POST && empty)
}

async fn handle(State(server): State<Server>, request: Request) -> Response {
    let shared = Arc::clone(&server.shared);
    let path = request.uri().path();
    if is_health_check(&request) {
        return (StatusCode::OK, "Ok.\n").into_response();
    }
    if path != "/" && path != "/query" {
        let text = format!("There is no handle {path}; statements go to /, health checks to /ping\n");
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST | Method::PUT) {
        return (StatusCode::NOT_IMPLEMENTED, "Statements are sent by GET or POST\n").into_response();
    }
    let (call, body) = match Call::read(request).await {
        Ok(read) => read,
        Err(exception) => return reply::refusal(&shared.identity, &exception),
    };
    if shared.access.as_ref().is_some_and(|login| !login.admits(&call.login)) {
        let what = format!(
            "{}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)",
            call.login.user
        );
        return reply::refusal(&shared.identity, &Exception::new(AUTHENTICATION_FAILED, what));
    }
    answer(shared, call, body).await
}

/// Runs the call on a thread that may block, and returns its answer as soon as its head is known.
async fn answer(shared: Arc<Shared>, call: Call, body: Body) -> Response {
    let Ok(permit) = Arc::clone(&shared.statements).acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (reply, head) = Reply::new(shared.identity.clone(), &call);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let body = call::BodyReader::new(body, runtime);
        run::run(&shared.sessions, &shared.writes, call, body, reply);
        drop(permit);
    });
    // The sender is dropped unused only if the statement's thread panicked.
    head.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
