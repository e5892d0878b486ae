//! What the commands print. Every line for people goes through `outln!` or `errln!`: texts
//! from the wire cannot steer the terminal, and a reader that has gone ends the command quietly.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use wire::{Nanos, Shown};

/// Set once, before the sensor starts: what it says on standard error are lines of the log, too.
static JSON_LOG: AtomicBool = AtomicBool::new(false);

/// Prints one line on standard output; hazardous characters in it, line ends among them, are escaped.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::console::out_line(format_args!($($arg)*)) };
}

/// Prints one line on standard error, "ringward: " in front, escaped alike. Whether anybody reads it makes no difference.
macro_rules! errln {
    ($($arg:tt)*) => { $crate::console::err_line(format_args!($($arg)*)) };
}

/// From now on `errln!` writes to the log.
pub fn log_in_json() {
    JSON_LOG.store(true, Ordering::Relaxed);
}

/// See `outln!`.
pub fn out_line(line: fmt::Arguments<'_>) {
    out(&format!("{}\n", Shown(&line.to_string())));
}

/// See `errln!`.
pub fn err_line(line: fmt::Arguments<'_>) {
    let line = line.to_string();
    if JSON_LOG.load(Ordering::Relaxed) {
        tracing::info!("{}", Shown(&line));
    } else {
        let _ = writeln!(io::stderr(), "ringward: {}", Shown(&line));
    }
}

/// The same for what went wrong, line by line.
pub fn failure(message: &str) {
    for line in message.lines() {
        if JSON_LOG.load(Ordering::Relaxed) {
            tracing::error!("{}", Shown(line));
        } else {
            err_line(format_args!("{line}"));
        }
    }
}

/// Prints a text of several lines as it is: our own pages and formats, nothing from the wire.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(err) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        drop(stdout);
        failed(&err);
    }
}

/// Prints a value as JSON of several lines. What is hazardous is escaped as JSON has it, so the value is the same.
pub fn json(value: &impl Serialize) -> Result<(), crate::Failure> {
    out(&escaped(&serde_json::to_string_pretty(value).map_err(crate::Failure::running)?));
    out("\n");
    Ok(())
}

/// JSON text with `\u` escapes for what a terminal takes for more than a letter. Line ends between values stay.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && Shown::is_hazard(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Standard output cannot be written. A reader that has seen enough ends this process as SIGPIPE ends others.
pub fn failed(err: &io::Error) -> ! {
    if err.kind() == ErrorKind::BrokenPipe {
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    } else {
        err_line(format_args!("standard output: {err}"));
    }
    std::process::exit(i32::from(crate::FAILED));
}

/// The wall clock's time.
pub fn now() -> Nanos {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    Nanos(0).after(since_1970.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_steers_nothing() {
        let text = "a\u{7f}\u{9b}2J\u{202e}\u{1b}[0m\n\u{e0001}";
        let shown = escaped(&serde_json::to_string(text).unwrap());
        assert!(!shown.chars().any(Shown::is_hazard), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
