//! Vectors that grow by known steps, so that what they will take is known before they take it.

/// Capacity after room for `more` has been made.
fn capacity<T>(list: &Vec<T>, more: usize) -> usize {
    let needed = list.len() + more;
    if needed <= list.capacity() { list.capacity() } else { needed.max(list.capacity() * 2) }
}

/// Bytes that [`make_room`] will allocate beyond what is allocated now.
pub(super) fn growth<T>(list: &Vec<T>, more: usize) -> usize {
    (capacity(list, more) - list.capacity()) * size_of::<T>()
}

/// Makes room for `more` elements.
pub(super) fn make_room<T>(list: &mut Vec<T>, more: usize) {
    let wanted = capacity(list, more);
    if wanted > list.capacity() {
        list.reserve_exact(wanted - list.len());
    }
}
