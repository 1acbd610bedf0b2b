//! Stop strings, found across tokens: text that could begin one is held back.

/// Search for stop strings in a text that arrives piece by piece.
#[derive(Debug)]
pub(super) struct Stops {
    stops: Vec<String>,
    /// Text held back: passed on with the next piece, or never.
    held: String,
}

impl Stops {
    pub(super) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new() }
    }

    /// Adds `text`. Returns the text to pass on, and whether a stop string ends it; the stop string itself is
    /// left out.
    pub(super) fn push(&mut self, text: &str) -> (String, bool) {
        self.held.push_str(text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let rest = self.held.split_off(self.held.len() - self.n_undecided());
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// The text held back, at the end.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that could begin a stop string.
    fn n_undecided(&self) -> usize {
        let begins = |stop: &String| {
            let longest = self.held.len().min(stop.len().saturating_sub(1));
            let beginnings = (1..=longest).rev().filter_map(|n| stop.get(..n));
            beginnings.into_iter().find(|beginning| self.held.ends_with(beginning)).map_or(0, str::len)
        };
        self.stops.iter().map(begins).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text passed on, with `|` between the pieces and `!` if a stop ends it.
    fn through(stops: &[&str], pieces: &[&str]) -> String {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let (mut out, mut all) = (Stops::new(&stops), Vec::new());
        for piece in pieces {
            let (text, ended) = out.push(piece);
            all.push(text);
            if ended {
                return all.join("|") + "!";
            }
        }
        all.push(out.finish());
        all.join("|")
    }

    #[test]
    fn nothing_is_held_without_a_stop() {
        assert_eq!(through(&[], &["a", "", "bc"]), "a||bc|");
    }

    #[test]
    fn a_stop_is_found_across_pieces_and_never_given_out() {
        assert_eq!(through(&["END"], &["xE", "N", "Dy"]), "x||!");
        assert_eq!(through(&["END"], &["aENDb"]), "a!");
        assert_eq!(through(&["END"], &["xE", "N", "ear"]), "x||ENear|");
        assert_eq!(through(&["END"], &["xE", "N"]), "x||EN");
        assert_eq!(through(&["aab"], &["a", "a", "a", "b"]), "||a|!");
    }

    #[test]
    fn the_first_of_several_ends_it() {
        assert_eq!(through(&["cd", "b"], &["abcd"]), "a!");
        assert_eq!(through(&["abc", "b"], &["a", "b", "c"]), "|a!");
        assert_eq!(through(&["é!", "\u{1F600}"], &["é", "\u{1F600}"]), "|é!");
    }

    #[test]
    fn any_cut_gives_the_same_text() {
        let (text, stops) = ("abababcababd", ["ababc", "babd"]);
        let whole = through(&stops, &[text]);
        assert_eq!(whole, "ab!");
        for cut in 1..text.len() {
            for second in cut..text.len() {
                let found = through(&stops, &[&text[..cut], &text[cut..second], &text[second..]]);
                assert_eq!(found.replace('|', ""), whole, "{cut} {second}");
            }
        }
    }
}
