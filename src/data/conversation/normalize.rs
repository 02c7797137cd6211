//! Texts as ParlAI compares them (`normalize_answer` in `parlai/core/metrics.py`): for F1, for
//! candidates that say the same, and for the words that diversity counts.

/// What becomes a blank. A typographic apostrophe is not among it, and stays.
const PUNCTUATION: &str = "!\"#$%&()*+,-./:;<=>?@[]\\^`{|}~_'";

const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// The words of a text in lower case, without punctuation and without the articles a, an, the.
pub fn words(text: &str) -> Vec<String> {
    let blank = |letter: char| if PUNCTUATION.contains(letter) { ' ' } else { letter };
    let text: String = text.to_lowercase().chars().map(blank).collect();
    let mut left = String::with_capacity(text.len());
    // An article also goes where a mark that is no blank stands beside it, as in "the…".
    for run in runs(&text) {
        left.push_str(if ARTICLES.contains(&run) { " " } else { run });
    }
    left.split(is_blank).filter(|word| !word.is_empty()).map(String::from).collect()
}

/// The words with single blanks between them.
pub fn normalized(text: &str) -> String {
    words(text).join(" ")
}

/// The longest runs of letters and digits, and of what is neither.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_word = rest.chars().next()?.is_alphanumeric();
        let end = rest.find(|letter: char| letter.is_alphanumeric() != is_word);
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(run)
    })
}

/// What Python's `str.split` splits at.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}
