//! Applying what the doctor prescribes, and taking it back.
//!
//! Each step is written down before the next is taken, with the step that undoes it. The list lies in /run: settings
//! of interfaces do not outlive the machine's restart either.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Failure;

/// One change of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A program with its arguments.
    Run(Vec<String>),
    /// A line into a file of /proc or /sys.
    Write {
        /// The line.
        value: String,
        /// The file.
        file: String,
    },
}

impl Step {
    /// A command of plain words.
    pub fn run(command: &str) -> Self {
        Step::Run(command.split_whitespace().map(str::to_owned).collect())
    }

    fn take(&self) -> Result<(), String> {
        match self {
            Step::Run(words) => {
                let (program, args) = words.split_first().ok_or("an empty command")?;
                let done = Command::new(program).args(args).output();
                let output = done.map_err(|err| format!("{self}: {err}"))?;
                if output.status.success() {
                    return Ok(());
                }
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("{self}: {}", said.trim().replace('\n', "; ")))
            }
            Step::Write { value, file } => {
                fs::write(file, format!("{value}\n")).map_err(|err| format!("{self}: {err}"))
            }
        }
    }
}

impl fmt::Display for Step {
    /// As an operator would type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Run(words) => f.write_str(&words.join(" ")),
            Step::Write { value, file } => write!(f, "echo {value} > {file}"),
        }
    }
}

/// A change and the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub(super) apply: Step,
    pub(super) undo: Step,
}

impl Remedy {
    /// Two commands of plain words.
    pub fn commands(apply: &str, undo: &str) -> Self {
        Remedy { apply: Step::run(apply), undo: Step::run(undo) }
    }

    /// A new line for a file that has another one now; none if it cannot be read.
    pub fn file(file: &str, value: &str) -> Option<Self> {
        let before = fs::read_to_string(file).ok()?.trim().to_owned();
        let write = |value: &str| Step::Write { value: value.into(), file: file.into() };
        Some(Remedy { apply: write(value), undo: write(&before) })
    }
}

/// Takes every step; what fails is told and the others are taken all the same.
pub fn apply<'a>(remedies: impl Iterator<Item = &'a Remedy>, state: &Path) -> Result<(), Failure> {
    let cannot = |err: &dyn fmt::Display| Failure::running(format!("{}: {err}", state.display()));
    if let Some(folder) = state.parent() {
        fs::create_dir_all(folder).map_err(|err| cannot(&err))?;
    }
    let mut list = OpenOptions::new().append(true).create(true).open(state).map_err(|err| cannot(&err))?;
    for remedy in remedies {
        // First: a step that is not written down cannot be taken back.
        let line = serde_json::to_string(&remedy.undo).map_err(|err| cannot(&err))?;
        writeln!(list, "{line}").map_err(|err| cannot(&err))?;
        match remedy.apply.take() {
            Ok(()) => errln!("done: {}", remedy.apply),
            Err(err) => errln!("not done: {err}"),
        }
    }
    Ok(())
}

/// Takes every step back, the last first; the list is empty afterwards.
pub fn undo(state: &Path) -> Result<(), Failure> {
    let cannot = |err: &dyn fmt::Display| Failure::running(format!("{}: {err}", state.display()));
    let list = match fs::read_to_string(state) {
        Ok(list) => list,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            errln!("nothing to undo");
            return Ok(());
        }
        Err(err) => return Err(cannot(&err)),
    };
    let steps: Vec<Step> =
        list.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|err| cannot(&err))?;
    for step in steps.iter().rev() {
        match step.take() {
            Ok(()) => errln!("done: {step}"),
            Err(err) => errln!("not done: {err}"),
        }
    }
    fs::remove_file(state).map_err(|err| cannot(&err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_applied_can_be_undone_in_reverse() {
        let folder = tempfile::tempdir().unwrap();
        let (state, setting) = (folder.path().join("undo"), folder.path().join("setting"));
        fs::write(&setting, "first\n").unwrap();
        let file = setting.to_str().unwrap();
        let read = || fs::read_to_string(&setting).unwrap().trim().to_owned();
        let one = Remedy::file(file, "second").unwrap();
        apply([&one].into_iter(), &state).unwrap();
        let two = Remedy::file(file, "third").unwrap();
        assert_eq!(two.apply.to_string(), format!("echo third > {file}"));
        // A step that cannot be taken keeps the others from nothing.
        let bad = Remedy::commands("false", "false");
        apply([&bad, &two].into_iter(), &state).unwrap();
        assert_eq!(read(), "third");
        undo(&state).unwrap();
        assert_eq!(read(), "first");
        undo(&state).unwrap();
    }
}
