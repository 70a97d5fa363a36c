//! `cargo xtask …`: the workshop's commands, for people and for CI alike.
//!
//! It depends on next to nothing, so that it is built in seconds before anything else is. It never
//! skips what it was asked to do: a missing program is installed or named, and ends the run.
//!
//! Exit codes: 0 all went well, 1 a step failed, 2 the command line was wrong or a program is missing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks by printing")]

mod bench;
mod cargo;
mod clients;
mod install;
mod lint;
mod page;
mod programs;
mod steps;
mod test;
mod tier;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::steps::Ending;
use crate::tier::Tier;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  test [--long|--soak] [--install]   every test of the ordinary tier; --long repeats with the long
                                     tier's counts, --soak runs for hours
  bench [FILTER]                     criterion's measurements and the end-to-end table
  lint [--install]                   formatting, clippy, rustdoc, the page's type check and lint

Programs that a command needs and does not find are installed with --install or CI=true; on a
terminal it asks once; otherwise it lists them and exits 2.";

/// What the command line asked for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Test { tier: Tier, install: bool },
    Bench { filter: Option<String> },
    Lint { install: bool },
}

fn parse(args: &[String]) -> Result<Command, String> {
    let mut args = args.iter().map(String::as_str);
    let command = match args.next() {
        None | Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some(command) => command,
    };
    match command {
        "test" => {
            let (mut tier, mut install) = (Tier::Ordinary, false);
            for arg in args {
                match arg {
                    "--long" if tier == Tier::Ordinary => tier = Tier::Long,
                    "--soak" if tier == Tier::Ordinary => tier = Tier::Soak,
                    "--long" | "--soak" => return Err("one of --long and --soak, once".to_owned()),
                    "--install" => install = true,
                    other => return Err(format!("test knows no `{other}`")),
                }
            }
            Ok(Command::Test { tier, install })
        }
        "bench" => {
            let filter = args.next().map(str::to_owned);
            match args.next() {
                None => Ok(Command::Bench { filter }),
                Some(more) => Err(format!("bench takes one filter, `{more}` is a second")),
            }
        }
        "lint" => match (args.next(), args.next()) {
            (None, _) => Ok(Command::Lint { install: false }),
            (Some("--install"), None) => Ok(Command::Lint { install: true }),
            (Some(first), second) => Err(format!(
                "lint knows no `{}`",
                second.filter(|_| first == "--install").unwrap_or(first)
            )),
        },
        other => Err(format!("there is no command `{other}`")),
    }
}

/// The repository's root: the folder above this package.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let command = match parse(&args) {
        Ok(command) => command,
        Err(mistake) => {
            eprintln!("xtask: {mistake}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let root = root();
    let ending = match command {
        Command::Help => {
            println!("{HELP}");
            Ok(Ending::Done)
        }
        Command::Test { tier, install } => test::run(&root, tier, install),
        Command::Bench { filter } => bench::run(&root, filter.as_deref()),
        Command::Lint { install } => lint::run(&root, install),
    };
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::FAILURE,
        Ok(Ending::ProgramsMissing) => ExitCode::from(2),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_documented_forms_are_understood() {
        assert_eq!(parsed(""), Ok(Command::Help));
        assert_eq!(parsed("test"), Ok(Command::Test { tier: Tier::Ordinary, install: false }));
        assert_eq!(
            parsed("test --install --long"),
            Ok(Command::Test { tier: Tier::Long, install: true })
        );
        assert_eq!(parsed("test --soak"), Ok(Command::Test { tier: Tier::Soak, install: false }));
        assert_eq!(parsed("bench chunk"), Ok(Command::Bench { filter: Some("chunk".to_owned()) }));
        assert_eq!(parsed("lint --install"), Ok(Command::Lint { install: true }));
    }

    #[test]
    fn a_mistake_is_named() {
        for (line, word) in [
            ("tset", "tset"),
            ("test --longer", "--longer"),
            ("test --long --soak", "--soak"),
            ("lint --fix", "--fix"),
            ("lint --install --fix", "--fix"),
            ("bench a b", "`b`"),
        ] {
            let mistake = parsed(line).unwrap_err();
            assert!(mistake.contains(word), "{line}: {mistake}");
        }
    }
}
