//! The log: which lines there are, and in which form. A flag goes before the environment, that before the configuration.

use std::path::Path;

use clap::ValueEnum;
use tracing_appender::non_blocking::WorkerGuard;

use crate::config::{Config, Log, LogFormat, LogLevel};
use crate::{Failure, console};

const LEVEL_VARIABLE: &str = "RINGWARD_LOG_LEVEL";
const FORMAT_VARIABLE: &str = "RINGWARD_LOG_FORMAT";

/// What a command line says of the log.
#[derive(Debug, Default, clap::Args)]
pub struct LogArgs {
    /// Log lines at least as important as this; default: RINGWARD_LOG_LEVEL, else the configuration's `log.level`.
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Form of the log; default: RINGWARD_LOG_FORMAT, else the configuration's `log.format`.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Starts the log, as the configuration in `path` has it unless somebody says otherwise. Whoever reads it may be slow; the
/// sensor does not wait for them: lines are written on a thread of their own, and dropped when too many wait. The guard
/// writes the rest when it goes.
pub fn start(args: &LogArgs, path: Option<&Path>, sensor: bool) -> Result<WorkerGuard, Failure> {
    // What is wrong with the file is told by the command, which reads it for itself.
    let configured =
        path.and_then(|path| Config::load(path).ok()).map(|config| config.log).unwrap_or_default();
    let Log { level, format } = settings(args, configured, |name| std::env::var(name).ok())?;
    let (log, guard) = tracing_appender::non_blocking(std::io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log)
        .with_target(false)
        .with_ansi(false)
        .with_max_level(level.filter());
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => {
            subscriber.json().flatten_event(true).init();
            // The lines of commands are for whoever ran them.
            if sensor {
                console::log_in_json();
            }
        }
    }
    Ok(guard)
}

fn settings(
    args: &LogArgs,
    configured: Log,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Log, Failure> {
    let level = match args.log_level {
        Some(level) => Some(level),
        None => of(LEVEL_VARIABLE, "log level", variable(LEVEL_VARIABLE))?,
    };
    let format = match args.log_format {
        Some(format) => Some(format),
        None => of(FORMAT_VARIABLE, "log format", variable(FORMAT_VARIABLE))?,
    };
    Ok(Log { level: level.unwrap_or(configured.level), format: format.unwrap_or(configured.format) })
}

/// The value of an environment variable; an empty one says nothing.
fn of<T: ValueEnum>(name: &str, what: &str, value: Option<String>) -> Result<Option<T>, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    T::from_str(&value, true).map(Some).map_err(|_| {
        let known = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
        Failure::usage(format!("{name}: invalid {what} \"{value}\" (expected {})", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_configuration() {
        let configured = Log { level: LogLevel::Warn, format: LogFormat::Json };
        let nothing = LogArgs::default();
        assert_eq!(settings(&nothing, configured, |_| None).unwrap(), configured);
        let environment = |name: &str| Some(if name == LEVEL_VARIABLE { "DEBUG" } else { "text" }.to_owned());
        let set = settings(&nothing, configured, environment).unwrap();
        assert_eq!(set, Log { level: LogLevel::Debug, format: LogFormat::Text });
        let flag = LogArgs { log_level: Some(LogLevel::Error), log_format: None };
        assert_eq!(settings(&flag, configured, environment).unwrap().level, LogLevel::Error);
    }

    #[test]
    fn an_unknown_level_is_one_clear_line() {
        let loud = |name: &str| (name == LEVEL_VARIABLE).then(|| "loud".to_owned());
        let failure = settings(&LogArgs::default(), Log::default(), loud).unwrap_err();
        assert_eq!(failure.code, crate::USAGE);
        assert_eq!(
            failure.message,
            "RINGWARD_LOG_LEVEL: invalid log level \"loud\" (expected off, error, warn, info, debug, trace)"
        );
    }
}
