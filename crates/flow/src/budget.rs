//! A cap on what many parts hold together.

/// Bytes that streams, or fragments, of one worker may hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    held: usize,
    limit: usize,
    refused: u64,
}

impl Budget {
    /// Nothing is held; no more than `limit` bytes ever will be.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Budget { held: 0, limit, refused: 0 }
    }

    /// Takes so many bytes, all or none. False, and counted, if they are not to be had.
    #[must_use]
    pub fn take(&mut self, bytes: usize) -> bool {
        match self.held.checked_add(bytes).filter(|&held| held <= self.limit) {
            Some(held) => {
                self.held = held;
                true
            }
            None => {
                self.refused += 1;
                false
            }
        }
    }

    /// Gives bytes back that were taken.
    pub fn give(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// The cap.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How often there was not enough.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_ever_held() {
        let mut budget = Budget::new(10);
        assert!(budget.take(6) && !budget.take(5) && budget.take(4) && !budget.take(usize::MAX));
        assert_eq!((budget.held(), budget.refused(), budget.limit()), (10, 2, 10));
        budget.give(6);
        assert!(budget.take(5));
        assert_eq!(budget.held(), 9);
    }
}
