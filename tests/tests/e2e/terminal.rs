//! A first start as a person at a terminal meets it: `script` of util-linux gives the program a terminal of its own.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tally_tests::installation::Installation;

const PATIENCE: Duration = Duration::from_mins(2);
/// What a terminal sends when Ctrl and C are pressed.
const CTRL_C: &str = "\x03";

/// A program on a terminal, and what stands on that.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(installation: &Installation, home: &Path, arguments: &[&str]) -> Self {
        let command = installation.command_for_people(arguments).unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        // Whoever runs the tests in the background may ignore Ctrl-C, and so would all below it.
        let mut script = Command::new("env");
        // Quiet, each write at once, with the program's exit code, and no file.
        script.args([
            "--default-signal=INT",
            "script",
            "-qfec",
            &format!("exec {}", line.join(" ")),
            "/dev/null",
        ]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        // The engine stays where it is, whatever the home.
        let cache =
            std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cache"));
        script
            .env("XDG_CACHE_HOME", cache.unwrap_or_default())
            .env("HOME", home)
            .env_remove("XDG_DATA_HOME")
            .env_remove("CLAUDE_CONFIG_DIR")
            .env("SHELL", "/bin/sh");
        script.env("TALLY__DEMO__COMPANY_PEOPLE", "20").env("TALLY__DEMO__HISTORY_DAYS", "1");
        let mut child =
            script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux has script");
        let (keys, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let screen = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keys, screen }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    fn shows(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.screen().contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?} before it showed {text:?}: {}", self.screen());
            assert!(begun.elapsed() < PATIENCE, "it did not show {text:?}: {}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn presses(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn ends(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not end: {}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        };
        (status, self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn line(message: &str) -> String {
    let time = time_of_today();
    format!(
        r#"{{"type":"assistant","sessionId":"s","uuid":"u-{message}","requestId":"r-{message}","timestamp":"{time}","message":{{"id":"{message}","model":"claude-opus-4-6","usage":{{"input_tokens":3,"output_tokens":4}}}}}}"#
    ) + "\n"
}

/// A minute ago, as transcripts write it.
fn time_of_today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ms = i64::try_from(now.as_millis()).unwrap() - 60_000;
    tally_domain::EventTime::from_ms(ms).unwrap().to_string()
}

/// A home with one transcript of two calls, or with none.
fn home(installation: &Installation, transcripts: bool) -> std::path::PathBuf {
    let home = installation.beside("home");
    let project = home.join(".claude/projects/p");
    fs::create_dir_all(if transcripts { &project } else { &home }).unwrap();
    if transcripts {
        fs::write(project.join("1.jsonl"), line("a") + &line("b")).unwrap();
    }
    home
}

fn stops_cleanly(mut terminal: Terminal) -> String {
    terminal.presses(CTRL_C);
    terminal.shows("stopping: everything taken is being counted and kept");
    let (status, screen) = terminal.ends();
    assert!(status.success(), "{status}: {screen}");
    assert!(!screen.contains("panicked"), "{screen}");
    screen
}

#[test]
fn a_first_start_asks_and_imports_what_it_found() {
    let installation = Installation::new().unwrap();
    let home = home(&installation, true);
    let mut terminal = Terminal::start(&installation, &home, &["up"]);
    terminal.shows("This machine has transcripts of Claude Code:");
    terminal.shows(".claude/projects");
    terminal.shows("Import them? They stay on this machine. [Y/n] ");
    terminal.presses("\n");
    terminal.shows("Tally is up after");
    terminal.shows("imported for ann: 2 events from 1 files");
    terminal.shows("2 events · lag 0 · 1 person ranked");
    let screen = stops_cleanly(terminal);
    assert!(!screen.contains("this is the demo"), "{screen}");

    // The second start asks nothing and goes on with what is there.
    let mut terminal = Terminal::start(&installation, &home, &["up"]);
    terminal.shows("2 events · lag 0 · 1 person ranked");
    let screen = stops_cleanly(terminal);
    assert!(!screen.contains("[Y/n]") && !screen.contains("imported for"), "{screen}");
}

#[test]
fn who_says_no_is_told_how_and_nothing_is_imported() {
    let installation = Installation::new().unwrap();
    let home = home(&installation, true);
    let mut terminal = Terminal::start(&installation, &home, &["up"]);
    terminal.shows("[Y/n] ");
    terminal.presses("n\n");
    terminal.shows("There is no usage here yet.");
    terminal.shows("tally up --import-found    imports the transcripts of Claude Code on this machine");
    let screen = stops_cleanly(terminal);
    assert!(!screen.contains("imported for"), "{screen}");

    // Later it can still be asked for, and then nobody is asked.
    let mut terminal = Terminal::start(&installation, &home, &["up", "--import-found"]);
    terminal.shows("imported for ann: 2 events from 1 files");
    let screen = stops_cleanly(terminal);
    assert!(!screen.contains("[Y/n]"), "{screen}");
}

#[test]
fn where_there_are_no_transcripts_the_demo_begins_and_says_how_to_leave_it() {
    let installation = Installation::new().unwrap();
    let home = home(&installation, false);
    let mut terminal = Terminal::start(&installation, &home, &["up"]);
    terminal.shows("No transcripts of Claude Code were found on this machine, so this is the demo");
    terminal.shows("to leave it: Ctrl-C, delete ");
    terminal.shows("20 people ranked");
    stops_cleanly(terminal);
    assert!(!installation.data().exists(), "the demo has a directory of its own");
    assert!(installation.beside("data-demo").join("demo.json").exists());
}

#[test]
fn a_question_that_is_interrupted_leaves_nothing() {
    let installation = Installation::new().unwrap();
    let home = home(&installation, true);
    let mut terminal = Terminal::start(&installation, &home, &["up"]);
    terminal.shows("[Y/n] ");
    terminal.presses(CTRL_C);
    let (status, screen) = terminal.ends();
    assert!(!status.success() && !screen.contains("panicked"), "{status}: {screen}");
    assert!(!installation.data().exists());
}
