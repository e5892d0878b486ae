//! Slots of fixed number that never move: a flow keeps its slot for as long as it lives.

use super::huge;

/// Bytes of a value that are asked for ahead: what every packet needs of a flow, which may begin anywhere in a
/// line. Lines that only some need cost more than they bring: a processor has some 16 reads under way at most.
const HEAD: usize = 192;

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Slot<T> {
    /// The next free slot.
    Free(u32),
    Live(T),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// Its memory is reserved once; the pages come as slots are used for the first time.
    slots: Vec<Slot<T>>,
    capacity: u32,
    /// Slots that were used and are free.
    free: u32,
    live: u32,
}

impl<T> Slab<T> {
    /// Bytes of a slot.
    pub(crate) const BYTES_PER_SLOT: usize = size_of::<Slot<T>>();

    /// Slots for `capacity` values.
    pub(crate) fn new(capacity: u32) -> Self {
        Slab { slots: huge::with_capacity(capacity as usize), capacity, free: NONE, live: 0 }
    }

    /// Values that can live at once.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Live values.
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    /// Whether the next insertion would find no slot.
    pub(crate) fn is_full(&self) -> bool {
        self.live == self.capacity
    }

    /// Takes a value in; none if it is full.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        let slot = if let Some(slot) = self.slots.get_mut(self.free as usize) {
            let Slot::Free(next) = *slot else { return None };
            *slot = Slot::Live(value);
            std::mem::replace(&mut self.free, next)
        } else if self.is_full() {
            return None;
        } else {
            self.slots.push(Slot::Live(value));
            self.slots.len() as u32 - 1
        };
        self.live += 1;
        Some(slot)
    }

    /// Takes a value out.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let place = self.slots.get_mut(slot as usize)?;
        if matches!(place, Slot::Free(_)) {
            return None;
        }
        let Slot::Live(value) = std::mem::replace(place, Slot::Free(self.free)) else { return None };
        self.free = slot;
        self.live -= 1;
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        match self.slots.get(slot as usize)? {
            Slot::Live(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        match self.slots.get_mut(slot as usize)? {
            Slot::Live(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// Asks for the first lines of a slot, without looking whether it is live.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        if let Some(slot) = self.slots.get(slot as usize) {
            super::prefetch::prefetch_head(slot, HEAD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_never_more_than_the_capacity() {
        let mut slab = Slab::new(2);
        assert_eq!((slab.insert('a'), slab.insert('b'), slab.insert('c')), (Some(0), Some(1), None));
        assert_eq!((slab.remove(0), slab.remove(0), slab.get(0)), (Some('a'), None, None));
        assert_eq!((slab.len(), slab.insert('d'), slab.insert('e')), (1, Some(0), None));
        assert_eq!((slab.get(0), slab.get(9), slab.is_full()), (Some(&'d'), None, true));
    }
}
