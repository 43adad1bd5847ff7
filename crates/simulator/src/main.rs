//! The simulator: the shipped log, stores and parts in one thread, under one seed, while everything breaks.
#![forbid(unsafe_code)]

mod act;
mod bugs;
mod cli;
mod clickhouse;
mod life;
mod oracle;
mod producers;
mod seen;
mod shown;
#[cfg(test)]
mod tests;
mod told;
mod world;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic of a part is one more broken promise, told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            let _gone =
                std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("simulator: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}
