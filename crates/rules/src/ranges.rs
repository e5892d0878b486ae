//! Sets of numbers as ranges: what lists of addresses and ports come to.

/// A number that ranges are made of.
pub(crate) trait Step: Ord + Copy {
    /// The least.
    const FIRST: Self;
    /// The greatest.
    const LAST: Self;

    /// The number behind it.
    fn next(self) -> Option<Self>;

    /// The number before it.
    fn back(self) -> Option<Self>;
}

macro_rules! step {
    ($($number:ty),*) => {$(
        impl Step for $number {
            const FIRST: Self = <$number>::MIN;
            const LAST: Self = <$number>::MAX;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn back(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}

step!(u16, u32, u128);

/// Ranges, first and last number of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges<T>(Vec<(T, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Ranges(Vec::new())
    }
}

impl<T: Step> Ranges<T> {
    /// Every number.
    pub(crate) fn all() -> Self {
        Ranges(vec![(T::FIRST, T::LAST)])
    }

    /// One range.
    pub(crate) fn one(first: T, last: T) -> Self {
        Ranges(vec![(first, last)])
    }

    /// Takes those of another set, too. They are put in order by [`Self::tidy`].
    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// In order, and such that no two touch.
    pub(crate) fn tidy(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup_by(|next, before| {
            let touches = before.1.next().is_none_or(|behind| next.0 <= behind);
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
        self
    }

    /// What is not in them.
    pub(crate) fn complement(self) -> Self {
        let mut left = Vec::with_capacity(self.0.len() + 1);
        let mut from = Some(T::FIRST);
        for (first, last) in self.tidy().0 {
            if let (Some(from), Some(to)) = (from, first.back())
                && from <= to
            {
                left.push((from, to));
            }
            from = last.next();
        }
        left.extend(from.map(|from| (from, T::LAST)));
        Ranges(left)
    }

    /// What is left of them without others.
    pub(crate) fn without(mut self, other: Self) -> Self {
        // All but (what is not in these, and the others).
        self = self.complement();
        self.add(other);
        self.complement()
    }

    pub(crate) fn as_slice(&self) -> &[(T, T)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sets() {
        let of = |ranges: &[(u16, u16)]| Ranges(ranges.to_vec());
        const MAX: u16 = u16::MAX;
        for (set, complement) in [
            (of(&[]), of(&[(0, MAX)])),
            (of(&[(0, MAX)]), of(&[])),
            (of(&[(0, 0), (MAX, MAX)]), of(&[(1, MAX - 1)])),
            (of(&[(5, 9), (1, 4)]), of(&[(0, 0), (10, MAX)])),
            (of(&[(5, MAX), (7, 9), (MAX, MAX)]), of(&[(0, 4)])),
        ] {
            assert_eq!(set.clone().complement(), complement, "{set:?}");
            assert_eq!(complement.complement(), set.tidy());
        }
        for (set, without, left) in [
            (of(&[(1, 9)]), of(&[(3, 4), (8, 20)]), of(&[(1, 2), (5, 7)])),
            (of(&[(1, 9)]), of(&[]), of(&[(1, 9)])),
            (of(&[(1, 9)]), of(&[(0, MAX)]), of(&[])),
            (of(&[]), of(&[(3, 4)]), of(&[])),
        ] {
            assert_eq!(set.clone().without(without.clone()), left, "{set:?} {without:?}");
        }
    }
}
