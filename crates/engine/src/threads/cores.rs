//! Which cores the sensor's threads run on: each worker has one, and all that is not urgent keeps off these.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a sensor.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    /// Those that the process may run on (its affinity mask, which containers and taskset narrow).
    allowed: Vec<usize>,
    /// Each worker's.
    workers: Vec<usize>,
}

impl Cores {
    /// For so many workers, which take turns on `wanted`; on all there are, if that is empty.
    pub(crate) fn new(workers: u32, wanted: &[usize]) -> Self {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        Self::among((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect(), workers, wanted)
    }

    fn among(allowed: Vec<usize>, workers: u32, wanted: &[usize]) -> Self {
        let of = if wanted.is_empty() { &allowed } else { wanted };
        let workers = of.iter().copied().cycle().take(workers as usize).collect();
        Cores { allowed, workers }
    }

    /// Where that worker runs.
    pub(crate) fn of_worker(&self, index: usize) -> Option<usize> {
        self.workers.get(index).copied()
    }

    /// Those that no worker has; all of them, if workers have all.
    fn left_over(&self) -> Vec<usize> {
        let left: Vec<usize> =
            self.allowed.iter().copied().filter(|cpu| !self.workers.contains(cpu)).collect();
        if left.is_empty() { self.allowed.clone() } else { left }
    }

    /// From now on the calling thread, and those that it starts, leave the workers' cores alone if there are others.
    pub(crate) fn keep_off_workers(&self) {
        stay_on(&self.left_over());
    }

    /// From now on the calling thread runs wherever the process may.
    pub(crate) fn roam(&self) {
        stay_on(&self.allowed);
    }
}

/// Binds the calling thread to these cores.
pub(crate) fn stay_on(cpus: &[usize]) {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    if let Err(err) = sched_setaffinity(None, &set) {
        tracing::warn!("a thread is not bound to CPU {cpus:?}: {err}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_turns_and_the_rest_is_left_over() {
        let cores = |count, wanted: &[usize]| {
            let cores = Cores::among(vec![0, 2, 3], count, wanted);
            let workers: Vec<_> = (0..4).map_while(|i| cores.of_worker(i)).collect();
            (workers, cores.left_over())
        };
        assert_eq!(cores(2, &[]), (vec![0, 2], vec![3]));
        assert_eq!(cores(2, &[3]), (vec![3, 3], vec![0, 2]));
        assert_eq!(cores(4, &[]), (vec![0, 2, 3, 0], vec![0, 2, 3]));
        assert_eq!(Cores::among(Vec::new(), 1, &[]).of_worker(0), None);
    }

    #[test]
    fn a_thread_stays_where_it_is_told_to() {
        let cores = Cores::new(1, &[]);
        std::thread::spawn(move || {
            cores.keep_off_workers();
            let now = Cores::new(1, &[]).allowed;
            assert_eq!(now, cores.left_over());
            cores.roam();
            assert_eq!(Cores::new(1, &[]).allowed, cores.allowed);
        })
        .join()
        .unwrap();
    }
}
