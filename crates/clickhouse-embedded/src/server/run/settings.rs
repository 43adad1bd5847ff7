//! The settings of one call, on the connection that runs it.

use super::{Call, bad_setting};
use crate::exception::Exception;
use crate::ffi::Connection;

/// Sets what the call asks for. In a session, returns the statements that set it back.
pub(super) fn apply(
    call: &Call,
    session: bool,
    connection: &mut Connection,
) -> Result<Vec<String>, Exception> {
    let mut settings = call.settings.clone();
    if let Some((name, _)) = settings.iter().find(|(name, _)| !is_name(name)) {
        return Err(bad_setting(name));
    }
    if !settings.iter().any(|(name, _)| name == "log_comment") {
        // The engine gives ids of its own; by this one a client finds and kills its statement.
        settings.push(("log_comment".to_owned(), call.query_id.clone()));
    }
    let undo = if session { undo(&settings, call.database.is_some(), connection)? } else { Vec::new() };
    let set: Vec<String> =
        settings.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
    let applied = run(connection, &format!("SET {}", set.join(", "))).and_then(|()| match &call.database {
        Some(database) => run(connection, &format!("USE {}", identifier(database))),
        None => Ok(()),
    });
    match applied {
        Ok(()) => Ok(undo),
        Err(exception) => {
            restore(&undo, connection);
            Err(exception)
        }
    }
}

/// Runs the statements that [`apply`] returned.
pub(super) fn restore(undo: &[String], connection: &mut Connection) {
    for statement in undo {
        // What could be set can be set back; a session whose settings are locked by `readonly` stays locked.
        drop(run(connection, statement));
    }
}

/// The statements that give these settings, and the database, their present values again.
fn undo(
    settings: &[(String, String)],
    database: bool,
    connection: &mut Connection,
) -> Result<Vec<String>, Exception> {
    let names: Vec<String> = settings.iter().map(|(name, _)| literal(name)).collect();
    let sql =
        format!("SELECT name, changed, value FROM system.settings WHERE name IN ({})", names.join(", "));
    let answer = connection.query(sql.as_bytes(), "JSONCompactEachRow", &[])?;
    let rows = serde_json::Deserializer::from_slice(answer.bytes()).into_iter::<(String, u8, String)>();
    let back: Vec<String> =
        rows.filter_map(Result::ok)
            .map(|(name, changed, value)| {
                if changed == 0 {
                    format!("{name} = DEFAULT")
                } else {
                    format!("{name} = {}", literal(&value))
                }
            })
            .collect();
    let mut undo = vec![format!("SET {}", back.join(", "))];
    if database {
        let answer = connection.query(b"SELECT currentDatabase()", "RawBLOB", &[])?;
        undo.push(format!("USE {}", identifier(&String::from_utf8_lossy(answer.bytes()))));
    }
    Ok(undo)
}

fn run(connection: &mut Connection, sql: &str) -> Result<(), Exception> {
    connection.query(sql.as_bytes(), "Null", &[]).map(drop)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn identifier(text: &str) -> String {
    format!("`{}`", text.replace('\\', "\\\\").replace('`', "\\`"))
}
