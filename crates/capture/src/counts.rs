//! Per-CPU counters of the BPF programs.

use libbpf_rs::{MapCore, MapFlags};

use crate::error::CaptureError;

/// Sums a per-CPU structure of 64-bit counters over all CPUs.
pub(crate) fn per_cpu(map: &impl MapCore, name: &'static str, index: u32) -> Result<Vec<u64>, CaptureError> {
    let values = map
        .lookup_percpu(&index.to_ne_bytes(), MapFlags::ANY)
        .map_err(|source| CaptureError::Map { map: name, source })?
        .unwrap_or_default();
    let mut sums = vec![0_u64; map.value_size() as usize / size_of::<u64>()];
    for value in values {
        for (sum, field) in sums.iter_mut().zip(value.chunks_exact(size_of::<u64>())) {
            *sum += field.try_into().map_or(0, u64::from_ne_bytes);
        }
    }
    Ok(sums)
}
