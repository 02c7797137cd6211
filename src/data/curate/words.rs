//! Words and their stems: the lower-casing, lemmatisation and stemming by which keywords and
//! scenarios are compared.
//!
//! A word is a run of letters, digits and inner apostrophes, in lower case, without a genitive
//! `'s`; a hyphen parts words. Its stem is Porter2's (`rust-stemmers`). There is no dictionary: of
//! lemmas only the irregular forms listed here are known, and listed are some words that Porter2
//! would run together with another of a different meaning.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

/// Irregular verbs and plurals: the word that a dictionary has, and its other forms.
const IRREGULAR: &[(&str, &str)] = &[
    ("abide", "abode"),
    ("arise", "arose arisen"),
    ("bear", "bore borne"),
    ("beat", "beaten"),
    ("become", "became"),
    ("begin", "began begun"),
    ("belief", "beliefs"),
    ("bite", "bit bitten"),
    ("bleed", "bled"),
    ("blow", "blew blown"),
    ("break", "broke broken"),
    ("breed", "bred"),
    ("bring", "brought"),
    ("build", "built"),
    ("buy", "bought"),
    ("catch", "caught"),
    ("child", "children"),
    ("choose", "chose chosen"),
    ("come", "came"),
    ("deal", "dealt"),
    ("die", "dying"),
    ("dig", "dug"),
    ("do", "did done does"),
    ("draw", "drew drawn"),
    ("drink", "drank"),
    ("drive", "drove driven"),
    ("eat", "ate eaten"),
    ("fall", "fell fallen"),
    ("feed", "fed"),
    ("feel", "felt"),
    ("fight", "fought"),
    ("find", "found"),
    ("fly", "flew flown"),
    ("forbid", "forbade forbidden"),
    ("forget", "forgot forgotten"),
    ("forgive", "forgave forgiven"),
    ("freeze", "froze frozen"),
    ("get", "got gotten"),
    ("give", "gave given"),
    ("go", "went gone goes"),
    ("grow", "grew grown"),
    ("hang", "hung"),
    ("hear", "heard"),
    ("hide", "hid hidden"),
    ("hold", "held"),
    ("keep", "kept"),
    ("know", "knew known"),
    ("lead", "led"),
    ("leave", "left"),
    ("lend", "lent"),
    ("lie", "lying"),
    ("life", "lives"),
    ("lose", "lost"),
    ("make", "made"),
    ("man", "men"),
    ("meet", "met"),
    ("mouse", "mice"),
    ("overcome", "overcame"),
    ("overeat", "overate overeaten"),
    ("oversee", "oversaw overseen"),
    ("pay", "paid"),
    ("person", "people persons"),
    ("repay", "repaid"),
    ("ride", "rode ridden"),
    ("ring", "rang rung"),
    ("rise", "rose risen"),
    ("run", "ran"),
    ("say", "said"),
    ("see", "saw seen"),
    ("seek", "sought"),
    ("sell", "sold"),
    ("send", "sent"),
    ("shake", "shook shaken"),
    ("shoot", "shot"),
    ("sing", "sang sung"),
    ("sit", "sat"),
    ("sleep", "slept"),
    ("speak", "spoke spoken"),
    ("spend", "spent"),
    ("stand", "stood"),
    ("steal", "stole stolen"),
    ("strike", "struck stricken"),
    ("strive", "strove striven"),
    ("swear", "swore sworn"),
    ("swim", "swam swum"),
    ("take", "took taken"),
    ("teach", "taught"),
    ("tear", "tore torn"),
    ("tell", "told"),
    ("thief", "thieves"),
    ("throw", "threw thrown"),
    ("understand", "understood"),
    ("wake", "woke woken"),
    ("wear", "wore worn"),
    ("weep", "wept"),
    ("wife", "wives"),
    ("win", "won"),
    ("withdraw", "withdrew withdrawn"),
    ("woman", "women"),
    ("write", "wrote written"),
];

/// Words with stems of their own, and their forms, since Porter2 gives them the stem of a word of
/// another meaning: authority and author, wellness and well, custom and customer, universalism and
/// university.
const APART: &[&str] = &[
    "accountable accountability",
    "activism",
    "affection",
    "author authors",
    "celebrity celebrities",
    "compass compasses",
    "considerate",
    "customer customers",
    "decadent",
    "executive executives",
    "experience experiences experienced",
    "integrity",
    "lively",
    "objective objectives",
    "orderly",
    "politics political politically",
    "protestant protestants",
    "providence",
    "quite",
    "relative relatives",
    "relatively",
    "response responses",
    "unbelievable",
    "universal",
    "universe",
    "university universities",
    "wellness",
    "wilder",
    "willingly",
];

/// Finds stems.
pub struct Stems {
    porter: Stemmer,
    /// The stems of irregular forms, and of the words that have one of their own.
    special: HashMap<&'static str, String>,
}

impl Default for Stems {
    fn default() -> Self {
        let porter = Stemmer::create(Algorithm::English);
        let mut special = HashMap::new();
        for (lemma, forms) in IRREGULAR {
            special.extend(forms.split(' ').map(|form| (form, porter.stem(lemma).into_owned())));
        }
        for words in APART {
            // A blank is in no word, so no other stem is like these.
            special.extend(words.split(' ').map(|word| (word, format!("{words} "))));
        }
        Self { porter, special }
    }
}

impl Stems {
    /// The stem of a word in lower case.
    pub fn of<'a>(&'a self, word: &'a str) -> Cow<'a, str> {
        match self.special.get(word) {
            Some(stem) => stem.as_str().into(),
            None => self.porter.stem(word),
        }
    }
}

/// A text in the form whose words [`words`] finds: lower case, straight apostrophes.
pub fn lower(text: &str) -> String {
    text.to_lowercase().replace(['\u{2019}', '\u{2018}'], "'")
}

/// The words of a [`lower`] text.
pub fn words(lower: &str) -> impl Iterator<Item = &str> {
    let parts = lower.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
    let bare = parts
        .map(|part| part.trim_matches('\''))
        .map(|word| word.strip_suffix("'s").unwrap_or(word));
    bare.filter(|word| !word.is_empty())
}
