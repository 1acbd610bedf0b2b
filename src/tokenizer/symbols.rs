//! Symbols, which are cut out of the text before anything is merged: leftmost first, then longest.

use super::vocab::{TokenKind, Vocab};

/// A set of symbols, found by their text.
#[derive(Debug)]
pub(super) struct SymbolSet {
    /// Ids by the bytes of their text; no two have the same text.
    sorted: Vec<u32>,
    /// Whether any symbol starts with this byte: this check alone skips most positions of a text.
    starts: [bool; 256],
}

impl SymbolSet {
    /// Set of all symbols of the wanted kinds. Of two with the same text the lower id counts.
    pub(super) fn new(vocab: &Vocab, wanted: &[TokenKind]) -> Self {
        let mut symbols: Vec<(&str, u32)> = vocab
            .iter()
            .filter(|(_, text, kind)| !text.is_empty() && wanted.contains(kind))
            .map(|(id, text, _)| (text, id))
            .collect();
        symbols.sort_unstable();
        symbols.dedup_by_key(|(text, _)| *text);
        let mut starts = [false; 256];
        for (text, _) in &symbols {
            starts[usize::from(text.as_bytes()[0])] = true;
        }
        Self { sorted: symbols.into_iter().map(|(_, id)| id).collect(), starts }
    }

    /// Id and length in bytes of the longest symbol that `text` starts with.
    pub(super) fn longest_prefix(&self, vocab: &Vocab, text: &[u8]) -> Option<(u32, usize)> {
        if !self.starts[usize::from(*text.first()?)] {
            return None;
        }
        let bytes_of = |id: u32| vocab.piece(id).unwrap_or_default().as_bytes();
        let mut bound = text;
        loop {
            // The symbol sought is a prefix of `bound`, so it is also a prefix of everything sorted between
            // the two, and of the common beginning of `bound` and its predecessor: each round either ends or
            // shortens `bound`.
            let before = self.sorted.partition_point(|&id| bytes_of(id) <= bound);
            let id = *self.sorted.get(before.checked_sub(1)?)?;
            let symbol = bytes_of(id);
            if bound.starts_with(symbol) {
                return Some((id, symbol.len()));
            }
            let common = symbol.iter().zip(bound).take_while(|(a, b)| a == b).count();
            bound = &bound[..common];
        }
    }

    /// The id of the symbol with exactly this text.
    pub(super) fn id_of(&self, vocab: &Vocab, text: &str) -> Option<u32> {
        let at = self.sorted.binary_search_by(|&id| vocab.piece(id).unwrap_or_default().cmp(text)).ok()?;
        self.sorted.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(symbols: &[&str]) -> (Vocab, SymbolSet) {
        let vocab =
            Vocab::new(symbols.iter().copied(), &vec![-1000.0; symbols.len()], &vec![4; symbols.len()]);
        let set = SymbolSet::new(&vocab, &[TokenKind::Symbol]);
        (vocab, set)
    }

    #[test]
    fn longest_wins_and_near_misses_fall_back() {
        let symbols = ["<t>", "<table>", "<tab", "\n", "\n\n", "\n\n\n\n", "é"];
        let (vocab, set) = set(&symbols);
        let find =
            |text: &str| set.longest_prefix(&vocab, text.as_bytes()).map(|(id, _)| symbols[id as usize]);
        assert_eq!(find("<table>x"), Some("<table>"));
        assert_eq!(find("<tablex"), Some("<tab"));
        assert_eq!(find("<tz"), None);
        assert_eq!(find("<"), None);
        assert_eq!(find("\n\n\nx"), Some("\n\n"));
        assert_eq!(find("\n\n\n\n\n"), Some("\n\n\n\n"));
        assert_eq!(find("éa"), Some("é"));
        assert_eq!(find("è"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn agrees_with_trying_every_symbol() {
        let symbols = ["a", "ab", "aba", "abab", "b", "bbb", "ca", "cab", "cabba"];
        let (vocab, set) = set(&symbols);
        for code in 0..3_usize.pow(7) {
            let text: String = (0..7).map(|i| ['a', 'b', 'c'][code / 3_usize.pow(i) % 3]).collect();
            let slow =
                symbols.iter().filter(|s| text.starts_with(**s)).max_by_key(|s| s.len()).map(|s| s.len());
            assert_eq!(set.longest_prefix(&vocab, text.as_bytes()).map(|(_, len)| len), slow, "{text}");
        }
    }

    #[test]
    fn of_equal_texts_the_lower_id_counts_and_empty_ones_are_left_out() {
        let (vocab, set) = set(&["", "x", "x"]);
        assert_eq!(set.longest_prefix(&vocab, b"xx"), Some((1, 1)));
        assert_eq!(set.id_of(&vocab, "x"), Some(1));
        assert_eq!(set.id_of(&vocab, ""), None);
    }
}
