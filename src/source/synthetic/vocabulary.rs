//! A made-up vocabulary of the true size. What steers the model and what spells text by rule (control tokens, bytes, runs
//! of white space, HTML tags) has the ids of the real one; the words are made by counting.

use core::ops::Range;
use std::fmt::Write;

/// `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal = 1,
    Control = 3,
    Symbol = 4,
    Byte = 6,
}

/// Neighbouring ids of one kind.
#[derive(Debug)]
pub(super) enum Section {
    /// These, of one kind; a space stands between two.
    Names(Kind, &'static str),
    /// `<unused0>`, …
    Unused(Range<u32>),
    /// A character repeated so many times.
    Runs(char, Range<u32>),
    /// `<0x00>` to `<0xFF>`.
    Bytes,
    /// So many words, the best scores first.
    Words(u32),
    /// Single characters, the last ones to be merged.
    Letters,
}

const TURNS: &str = "<start_of_turn> <end_of_turn>";
const TAGS: &str = "<table> <caption> <thead> <tbody> <tfoot> <tr> <th> <td> </table> </caption> </thead> </tbody> \
    </tfoot> </tr> </th> </td> <h1> <h2> <h3> <h4> <h5> <h6> <blockquote> </h1> </h2> </h3> </h4> </h5> </h6> \
    </blockquote> <strong> <em> <b> <i> <u> <s> <sub> <sup> <code> </strong> </em> </b> </i> </u> </s> </sub> </sup> \
    </code>";
const TAGS_3: &str = "<a> <html> <body> <img> <span> <bbox> <ul> <li> <div> <iframe> <footer> </a> </html> </body> \
    </img> </span> </bbox> </ul> </li> </div> </iframe> </footer>";

/// Characters with a piece of their own; the others are spelled in bytes.
const LETTERS: [(char, char); 5] = [
    ('\u{2581}', '\u{2581}'),
    ('!', '~'),
    ('\u{a1}', '\u{17f}'),
    ('\u{3b1}', '\u{3c9}'),
    ('\u{410}', '\u{44f}'),
];

/// The real pieces between the bytes and id 255968, by generation.
const FIRST_WORD: u32 = 473;
const FIRST_WORD_3: u32 = 494;
const END_OF_WORDS: u32 = 255_968;

/// All ids in order: those of Gemma 3, or of Gemma 1 and 2.
pub(super) fn sections(is_gemma3: bool) -> Vec<Section> {
    use Section::{Bytes, Letters, Names, Runs, Unused, Words};
    let first_word = if is_gemma3 { FIRST_WORD_3 } else { FIRST_WORD };
    let words = [Bytes, Words(END_OF_WORDS - first_word - n_letters()), Letters];
    let mut all = vec![Names(Kind::Control, "<pad> <eos> <bos> <unk> <mask>")];
    if is_gemma3 {
        all.push(Names(Kind::Symbol, "[multimodal]"));
        all.extend([Unused(0..99), Names(Kind::Control, TURNS), Runs('\n', 1..32), Runs(' ', 2..32)]);
        all.extend([Names(Kind::Symbol, TAGS), Names(Kind::Symbol, TAGS_3)]);
        all.extend(words);
        all.extend([Runs('\t', 1..32), Names(Kind::Symbol, "<start_of_image> <end_of_image>")]);
        all.push(Unused(99..6242));
    } else {
        all.push(Names(Kind::Control, "<2mass> [@BOS@]"));
        all.extend([Unused(0..99), Names(Kind::Control, TURNS), Runs('\n', 1..32), Runs(' ', 2..32)]);
        all.push(Names(Kind::Symbol, TAGS));
        all.extend(words);
        all.extend([Names(Kind::Symbol, "[toxicity=0]"), Runs('\t', 2..32), Unused(99..100)]);
    }
    all
}

fn letters() -> impl Iterator<Item = char> {
    LETTERS.iter().flat_map(|(first, last)| *first..=*last)
}

fn n_letters() -> u32 {
    letters().count() as u32
}

impl Section {
    pub(super) fn len(&self) -> u32 {
        match self {
            Self::Names(_, names) => names.split(' ').count() as u32,
            Self::Unused(range) | Self::Runs(_, range) => range.len() as u32,
            Self::Bytes => 256,
            Self::Words(n) => *n,
            Self::Letters => n_letters(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Names(kind, _) => *kind,
            Self::Unused(_) => Kind::Control,
            Self::Runs(..) => Kind::Symbol,
            Self::Bytes => Kind::Byte,
            Self::Words(_) | Self::Letters => Kind::Normal,
        }
    }

    /// Hands each piece to `each`, in the order of the ids.
    pub(super) fn pieces(&self, mut each: impl FnMut(&str)) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let mut formatted = |args: core::fmt::Arguments<'_>| {
            text.clear();
            let _ = text.write_fmt(args);
            each(&text);
        };
        match self {
            Self::Names(_, names) => names.split(' ').for_each(each),
            Self::Unused(range) => range.clone().for_each(|i| formatted(format_args!("<unused{i}>"))),
            Self::Runs(c, range) => range.clone().for_each(|n| each(&c.to_string().repeat(n as usize))),
            Self::Bytes => (0..256).for_each(|byte| formatted(format_args!("<0x{byte:02X}>"))),
            Self::Words(n) => words(*n, each),
            Self::Letters => letters().for_each(|letter| each(letter.encode_utf8(&mut [0; 4]))),
        }
    }
}

/// All words of two and three small letters and all of up to three behind a space, then words of four letters.
///
/// Each half of a word is a word or a letter, so that all of them can be reached by merging, as in a real vocabulary.
fn words(n_words: u32, mut each: impl FnMut(&str)) {
    const FAMILIES: [(&str, u32); 6] =
        [("", 2), ("\u{2581}", 1), ("", 3), ("\u{2581}", 2), ("\u{2581}", 3), ("", 4)];
    let mut left = n_words;
    let mut word = String::new();
    for (prefix, n_letters) in FAMILIES {
        let n_family = 26u32.pow(n_letters);
        for i in 0..n_family.min(left) {
            // A stride without a factor of 26 visits every word once, whatever letter it begins with.
            let mut number = (u64::from(i) * 271_829 % u64::from(n_family)) as u32;
            word.clear();
            word.push_str(prefix);
            for _ in 0..n_letters {
                word.push(char::from(b'a' + (number % 26) as u8));
                number /= 26;
            }
            each(&word);
        }
        left -= n_family.min(left);
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, sections};

    #[test]
    fn every_piece_is_there_once_at_its_id() {
        for (is_gemma3, n_vocab, known) in [
            (
                false,
                256_000,
                [(106, "<start_of_turn>"), (108, "\n"), (168, &" ".repeat(31)), (217, "<0x00>")],
            ),
            (true, 262_144, [(105, "<start_of_turn>"), (107, "\n"), (168, "<table>"), (238, "<0x00>")]),
        ] {
            let mut pieces = Vec::new();
            for section in sections(is_gemma3) {
                let before = pieces.len();
                section.pieces(|piece| pieces.push(piece.to_owned()));
                assert_eq!(pieces.len() - before, section.len() as usize, "{section:?}");
                assert_eq!(section.kind() == Kind::Byte, section.len() == 256 && before < 500);
            }
            assert_eq!(pieces.len(), n_vocab);
            known.iter().for_each(|(id, piece)| assert_eq!(pieces[*id], *piece));
            assert_eq!(pieces[255_969], "\t\t");
            assert_eq!(pieces.last().unwrap(), if is_gemma3 { "<unused6241>" } else { "<unused99>" });
            pieces.sort_unstable();
            pieces.dedup();
            assert_eq!(pieces.len(), n_vocab, "distinct");
        }
    }
}
