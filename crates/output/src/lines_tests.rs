use super::*;

/// A disk with so much room.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    room: usize,
    /// Bytes taken at once; 0: all.
    bite: usize,
    cuts_fail: bool,
}

impl Medium for Disk {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.room.saturating_sub(self.bytes.len());
        let bite = if self.bite == 0 { usize::MAX } else { self.bite };
        let take = bytes.len().min(left).min(bite);
        if take == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..take]);
        Ok(take)
    }

    fn cut(&mut self, size: u64) -> io::Result<()> {
        if self.cuts_fail {
            return Err(io::ErrorKind::Other.into());
        }
        self.bytes.truncate(size as usize);
        Ok(())
    }
}

const KINDS: [&str; 4] = ["flow", "alert", "dns", "isolation"];

fn push(lines: &mut Lines, n: usize) {
    let kind = KINDS[n % KINDS.len()];
    lines.push(kind, |out| out.extend(format!("{{\"n\":{n},\"t\":\"{kind}\"}}").bytes()));
}

/// Numbers of the lines on the disk, each of which must be valid.
fn read(disk: &Disk) -> Vec<usize> {
    let text = std::str::from_utf8(&disk.bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    let number = |line| {
        let value: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        value["n"].as_u64().unwrap() as usize
    };
    text.lines().map(number).collect()
}

#[test]
fn a_disk_that_is_full_at_any_byte_tears_no_line_and_loses_no_alert() {
    const TOTAL: usize = 40;
    for room in 0..900 {
        for (bite, cuts_fail) in [(0, false), (7, false), (0, true)] {
            let state = Arc::<OutputState>::default();
            let mut lines = Lines::new(1 << 20, state.clone());
            let mut disk = Disk { room, bite, cuts_fail, ..Disk::default() };
            let mut failed = false;
            for n in 0..TOTAL {
                push(&mut lines, n);
                if n % 3 == 0 {
                    failed |= lines.flush(&mut disk).is_err();
                }
            }
            failed |= lines.flush(&mut disk).is_err();
            // There is room again.
            (disk.room, disk.cuts_fail) = (1 << 20, false);
            lines.flush(&mut disk).unwrap();
            push(&mut lines, TOTAL);
            lines.flush(&mut disk).unwrap();
            let there = read(&disk);
            let missing = (0..=TOTAL).filter(|n| !there.contains(n)).collect::<Vec<_>>();
            assert!(
                missing.iter().all(|n| n % 2 == 0),
                "room {room}: alerts and isolations among {missing:?}"
            );
            assert_eq!(missing.len() as u64, state.lost(), "room {room}");
            assert_eq!(there.len() + missing.len(), TOTAL + 1, "room {room}: a line twice");
            assert_eq!(failed, !missing.is_empty() || failed);
            for kind in ["flow", "dns"] {
                let gone = missing.iter().filter(|&&n| KINDS[n % 4] == kind).count() as u64;
                let counted =
                    state.lost_by_type().iter().find(|(name, _)| *name == kind).map_or(0, |&(_, c)| c);
                assert_eq!(gone, counted, "room {room}: {kind}");
            }
        }
    }
}

#[test]
fn what_waits_is_bounded_and_what_was_spilled_first_is_dropped_last() {
    let state = Arc::<OutputState>::default();
    let mut lines = Lines::new(60, state.clone());
    let mut disk = Disk::default();
    for n in [1, 5, 9, 13] {
        push(&mut lines, n);
    }
    assert!(lines.flush(&mut disk).is_err());
    assert_eq!(state.waiting.load(Ordering::Relaxed), 3);
    assert_eq!(state.lost_by_type(), [("alert", 1)]);
    disk.room = 1 << 20;
    lines.flush(&mut disk).unwrap();
    assert_eq!(read(&disk), [1, 5, 9]);
    assert_eq!(state.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn what_still_waits_at_the_end_is_counted() {
    let state = Arc::<OutputState>::default();
    let mut lines = Lines::new(1000, state.clone());
    push(&mut lines, 3);
    assert!(lines.flush(&mut Disk::default()).is_err());
    assert_eq!(state.lost(), 0);
    lines.give_up();
    assert_eq!(state.lost_by_type(), [("isolation", 1)]);
}
