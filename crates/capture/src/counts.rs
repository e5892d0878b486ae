//! Per-CPU counters of the BPF programs.

use libbpf_rs::{MapCore, MapFlags};

use crate::error::CaptureError;

/// Sums each of the first `count` entries of a per-CPU array of 64-bit counters.
pub(crate) fn sum_per_cpu(
    map: &impl MapCore,
    name: &'static str,
    count: u32,
) -> Result<Vec<u64>, CaptureError> {
    (0..count)
        .map(|index| {
            let values = map
                .lookup_percpu(&index.to_ne_bytes(), MapFlags::ANY)
                .map_err(|source| CaptureError::Map { map: name, source })?
                .unwrap_or_default();
            Ok(values.iter().filter_map(|v| v.get(..8)?.try_into().ok()).map(u64::from_ne_bytes).sum())
        })
        .collect()
}
