//! Bisection over whole numbers.

/// The largest n up to `most` for which `holds` is true; 0 if there is none. `holds` must be true up to some
/// number and false above it.
pub(crate) fn largest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_the_last() {
        for most in 0..20 {
            for last in 0..=most {
                assert_eq!(largest(most, |n| n <= last), last, "{last} of {most}");
            }
        }
    }
}
