//! The recorder's thread.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use output::{Event, Recorder};

use super::{Record, SLICE};

/// How often the recorder writes what is not urgent.
const TICK: Duration = Duration::from_millis(100);

/// Scheduling priority of the recorder (-20 first, 19 last): behind workers and warden.
const RECORDER_NICE: i32 = 10;

/// The recorder's loop: writes what comes until everybody who could send has gone.
pub(crate) fn record(
    mut recorder: Recorder,
    records: &Receiver<Record>,
    errors: &AtomicU64,
) -> io::Result<output::Written> {
    if let Err(err) = capture::run_in_slices(RECORDER_NICE, SLICE) {
        tracing::warn!("the recorder runs at ordinary priority: {err}");
    }
    let mut ticked = Instant::now();
    let mut complained: Option<Instant> = None;
    let mut check = |outcome: Result<(), output::OutputError>| {
        if let Err(err) = outcome {
            errors.fetch_add(1, Ordering::Relaxed);
            // A full disk fails thousands of times a second; once a minute is enough to say so.
            if complained.is_none_or(|at| at.elapsed() > Duration::from_secs(60)) {
                complained = Some(Instant::now());
                tracing::error!("{err}");
            }
        }
    };
    loop {
        let urgent = match records.recv_timeout(TICK) {
            Ok((stamp, event)) => {
                check(recorder.record(&stamp, &event));
                matches!(event, Event::Isolation(_)) && records.is_empty()
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if urgent || ticked.elapsed() >= TICK {
            ticked = Instant::now();
            check(recorder.tick());
        }
    }
    recorder.finish().map_err(io::Error::other)
}
