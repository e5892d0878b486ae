//! `ringward doctor`: what this machine and its NICs can do, what is mis-set, and the command that mends it. Looks
//! only, unless told to apply what it prescribes.

mod drivers;
mod machine;
mod mend;
mod nic;

pub use mend::Remedy;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::{Failure, console};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could, or could not be found out.
    Warn,
    /// Does not work.
    Fail,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        })
    }
}

/// One line of the doctor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub message: String,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The same for `--fix`, with the way back; none if only an operator can decide.
    #[serde(skip)]
    remedy: Option<Remedy>,
}

impl Check {
    fn new(name: &'static str, status: Status, message: impl Into<String>) -> Self {
        Check { name, status, message: message.into(), fix: None, remedy: None }
    }

    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, message)
    }

    fn warn(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Warn, message)
    }

    fn fail(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Fail, message)
    }

    /// What an operator has to do.
    fn advise(self, command: String) -> Self {
        Check { fix: Some(command), ..self }
    }

    /// What `--fix` does.
    fn fix(self, remedy: Remedy) -> Self {
        Check { fix: Some(remedy.apply.to_string()), remedy: Some(remedy), ..self }
    }
}

/// Everything about one thing.
#[derive(Clone, Debug, Serialize)]
struct Section {
    /// An interface, or "machine".
    name: String,
    checks: Vec<Check>,
}

/// What the doctor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Look.
    Look,
    /// Apply what is prescribed, then look.
    Fix,
    /// Take back what `Fix` did, then look.
    Undo,
}

/// `ringward doctor`. Fails if any check did.
pub fn run(interfaces: &[String], json: bool, treatment: Treatment, state: &Path) -> Result<(), Failure> {
    let look = || {
        let mut sections = vec![Section { name: "machine".into(), checks: machine::checks() }];
        for name in interfaces {
            sections.push(Section { name: name.clone(), checks: nic::checks(name) });
        }
        sections
    };
    match treatment {
        Treatment::Look => {}
        Treatment::Fix => {
            let sections = look();
            let remedies = sections.iter().flat_map(|s| &s.checks).filter_map(|c| c.remedy.as_ref());
            mend::apply(remedies, state)?;
        }
        Treatment::Undo => mend::undo(state)?,
    }
    let sections = look();
    if json {
        console::json(&sections)?;
    } else {
        sections.iter().for_each(print);
    }
    let failed = sections.iter().flat_map(|s| &s.checks).filter(|c| c.status == Status::Fail).count();
    match failed {
        0 => Ok(()),
        n => Err(Failure::running(format!("{n} checks failed"))),
    }
}

fn print(section: &Section) {
    outln!("{}", section.name);
    for check in &section.checks {
        outln!("  {:<5} {:<12} {}", check.status, check.name, check.message);
        if let Some(fix) = &check.fix {
            outln!("        fix: {fix}");
        }
    }
}
