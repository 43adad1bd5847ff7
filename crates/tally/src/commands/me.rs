//! `tally me`.

use anyhow::Result;
use clap::Args;
use tally_clickhouse::query::{AccountLine, Page, SnapshotHead, TopLine};
use tally_clickhouse::rows::{RankingRecord, StandingColumns, minute_of};
use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::{Board, Hash128, PersonId, Secret, Window};
use tally_node::attach::Attached;

use super::top::BoardArgs;
use crate::cli::Global;
use crate::exit::{ExitStatus, UsageError};
use crate::render;
use crate::report::{Me as Report, PersonLines, Row, place};
use crate::standing::Newest;

/// Sessions that are shown.
const SESSIONS: u32 = 20;
/// People that are named when a name fits several.
const NAMED: u32 = 10;

/// Show one person: standing, days, models, tools, sessions
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally me                                   whoever is signed in\n  \
    tally me ann --window 7d\n  \
    tally me ann --json | jq .days")]
pub(crate) struct Me {
    /// Name, or a part of it, or the id that `tally top --json` shows [default: who is signed in]
    person: Option<String>,
    #[command(flatten)]
    board: BoardArgs,
}

impl Me {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let asked = tally_importer::person_of(self.person.as_deref(), |name| std::env::var(name).ok());
        let asked = asked
            .ok_or_else(|| UsageError("nobody is signed in here; name a person: tally me NAME".to_owned()))?;
        let (_, attached) = global.attach()?;
        let secret = attached.secret()?;
        let (Newest { head, .. }, status) = self.board.newest(&attached)?;
        let Some(head) = head else {
            return Err(UsageError(
                "nobody is ranked yet; import something first: tally import --help".to_owned(),
            )
            .into());
        };
        let report = report(&attached, &head, self.board.board(), &asked, &secret)?;
        render::answer(global.json, &report, render::me)?;
        Ok(status)
    }
}

fn report(
    attached: &Attached,
    head: &SnapshotHead,
    board: Board,
    asked: &str,
    secret: &Secret,
) -> Result<Report> {
    let database = attached.database()?;
    let ranked = attached.runtime().block_on(find(database, head, board, asked, secret))?;
    let person = PersonId(Hash128(ranked.person));
    let since = since(head, board.window);
    let (lines, accounts) = attached.runtime().block_on(async {
        let lines = PersonLines {
            days: database.person_days(person, since).await?,
            models: database.person_models(person, since).await?,
            tools: database.person_tools(person, since).await?,
            sessions: database.person_sessions(person, SESSIONS).await?,
        };
        Ok::<_, ClickHouseError>((lines, database.person_accounts(person).await?))
    })?;
    let windows = [ranked.h24, ranked.d7, ranked.d30, ranked.lifetime];
    let row = row(person, &windows, board, &accounts, asked);
    Ok(Report::of(head, (board.window, board.metric), row, &windows, lines))
}

/// By id, by exact name, or by a part of the name that fits one person.
async fn find(
    database: &Database,
    head: &SnapshotHead,
    board: Board,
    asked: &str,
    secret: &Secret,
) -> Result<RankingRecord> {
    let exact = [asked.parse::<PersonId>().ok(), Some(PersonId::of(secret, asked))];
    for person in exact.into_iter().flatten() {
        if let Some(ranked) = database.person(head, person).await? {
            return Ok(ranked);
        }
    }
    let page = Page { offset: 0, limit: NAMED };
    let found = database.search(head, board, asked, page).await?;
    if let [one] = found.as_slice()
        && let Some(ranked) = database.person(head, PersonId(Hash128(one.person))).await?
    {
        return Ok(ranked);
    }
    Err(UsageError(nobody(asked, &found)).into())
}

fn nobody(asked: &str, found: &[TopLine]) -> String {
    if found.is_empty() {
        return format!("nobody here is called {asked:?}; `tally top` lists who is ranked");
    }
    let named = found.iter().map(|line| match line.name.as_str() {
        "" => Hash128(line.person).to_string(),
        name => name.to_owned(),
    });
    format!("{asked:?} fits several people: {}; name one of them", named.collect::<Vec<_>>().join(", "))
}

/// Seconds since the Unix epoch at which the window begins.
fn since(head: &SnapshotHead, window: Window) -> u32 {
    window.minutes().map_or(0, |length| {
        let start = minute_of(head.as_of).plus(length.saturating_neg()).hour().start();
        u32::try_from(start.start_ms().div_euclid(1_000).max(0)).unwrap_or(0)
    })
}

fn row(
    person: PersonId,
    windows: &[StandingColumns; 4],
    board: Board,
    accounts: &[AccountLine],
    asked: &str,
) -> Row {
    let of_window = Window::ALL.into_iter().zip(windows).find(|(window, _)| *window == board.window);
    let (_, standing) = of_window.expect("every window has a standing");
    let (rank, climbed) = place(board.metric, standing);
    let named = |of: fn(&AccountLine) -> &str| {
        accounts.iter().map(of).find(|text| !text.is_empty()).map(str::to_owned)
    };
    let is_id = asked.parse::<PersonId>().is_ok();
    let name = named(|line| &line.name).or_else(|| named(|line| &line.subject));
    let name = name.or_else(|| (!is_id).then(|| asked.to_owned()));
    Row::of(TopLine {
        place: rank,
        rank,
        climbed,
        person: *person.bytes(),
        name: name.unwrap_or_default(),
        team: named(|line| &line.team).unwrap_or_default(),
        tokens: standing.tokens,
        cache_read: standing.cache_read,
        requests: standing.requests,
        unpriced: standing.unpriced,
        cost: standing.cost,
        tier: String::new(),
    })
}
