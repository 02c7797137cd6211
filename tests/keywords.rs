//! Words, stems, and the keywords that are found in a text: the paper's Figure 2 and our own lists.

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;
use valuenet::data::curate::keywords::Keywords;
use valuenet::data::curate::lists::{Choice, KeywordSource, List, listed};
use valuenet::data::curate::words::{Stems, lower, words};
use valuenet::error::Kind;
use valuenet::value::Value;

use crate::support::{assert_fails, folder, stdout, valuenet, write};

/// The values and keywords of a text.
fn found_by(choice: &Choice, text: &str) -> Vec<(Value, String)> {
    let keywords = Keywords::of(choice).unwrap();
    let found = keywords.find(text).into_iter().map(|index| keywords.get(index));
    found.map(|keyword| (keyword.value, keyword.text.clone())).collect()
}

fn found(text: &str) -> Vec<(Value, String)> {
    found_by(&Choice::Extended, text)
}

fn has(text: &str, value: Value, keyword: &str) -> bool {
    found(text).contains(&(value, keyword.to_string()))
}

#[test]
fn the_papers_lists_are_figure_2_by_count() {
    // Words per value of its three lines, counted on the printed page.
    let printed = [
        (Value::Security, [6, 10, 4]),
        (Value::Power, [3, 10, 4]),
        (Value::Achievement, [5, 10, 4]),
        (Value::Hedonism, [3, 10, 2]),
        (Value::Stimulation, [3, 10, 3]),
        (Value::SelfDirection, [6, 10, 1]),
        (Value::Universalism, [8, 10, 2]),
        (Value::Benevolence, [7, 10, 4]),
        (Value::Conformity, [3, 10, 2]),
        (Value::Tradition, [4, 10, 2]),
    ];
    let all = listed(&Choice::Paper).unwrap();
    for (value, counts) in printed {
        let of =
            |source| all.iter().filter(|one| one.value == value && one.source == source).count();
        assert_eq!(KeywordSource::ALL.map(of), counts, "{value}");
    }
    let different: HashSet<&str> = all.iter().map(|one| one.text.as_str()).collect();
    assert_eq!((all.len(), different.len()), (176, 172));
    let values = |text: &str| -> Vec<Value> {
        all.iter().filter(|one| one.text == text).map(|one| one.value).collect()
    };
    assert_eq!(values("protection"), [Value::Security, Value::Universalism]);
    assert_eq!(values("beauty"), [Value::Hedonism, Value::Universalism]);
    assert_eq!(values("respect"), [Value::SelfDirection, Value::Tradition]);
    assert_eq!(values("adventure"), [Value::Stimulation; 2]);
    // The first and the last word of some lines.
    for (value, source, first, last) in [
        (Value::Security, KeywordSource::Original, "healthy", "belonging"),
        (Value::Achievement, KeywordSource::Associated, "talented", "rich"),
        (Value::SelfDirection, KeywordSource::Embedding, "identity", "identity"),
        (Value::Benevolence, KeywordSource::Embedding, "culture", "concerning"),
        (Value::Tradition, KeywordSource::Associated, "conservative", "islamic"),
    ] {
        let line = || all.iter().filter(move |one| one.value == value && one.source == source);
        assert_eq!(
            (line().next().unwrap().text.as_str(), line().next_back().unwrap().text.as_str()),
            (first, last)
        );
    }
}

#[test]
fn a_keyword_that_is_printed_twice_is_one_and_a_word_of_both_lists_is_the_papers() {
    let counts = [Choice::Paper, Choice::Extended, Choice::PaperAndExtended]
        .map(|choice| Keywords::of(&choice).unwrap().all().len());
    assert_eq!(counts[0], 175, "176 with adventure twice");
    assert!(counts[2] > counts[1] && counts[2] < counts[0] + counts[1], "{counts:?}");
    let union = Keywords::of(&Choice::PaperAndExtended).unwrap();
    let one = |value: Value, text: &str| {
        let same: Vec<_> =
            union.all().iter().filter(|one| one.value == value && one.text == text).collect();
        assert_eq!(same.len(), 1, "{value} {text}");
        (same[0].list, same[0].source)
    };
    // "sex" is associated in both lists; "adventure" is associated in the paper's and original in
    // ours.
    assert_eq!(one(Value::Stimulation, "adventure"), (List::Paper, KeywordSource::Associated));
    assert_eq!(one(Value::Security, "family"), (List::Paper, KeywordSource::Original));
    assert_eq!(one(Value::Stimulation, "novelty"), (List::Extended, KeywordSource::Original));
}

#[test]
fn the_extended_lists_have_keywords_of_each_value_and_source() {
    let keywords = Keywords::of(&Choice::Extended).unwrap();
    for value in Value::ALL {
        for source in KeywordSource::ALL {
            let of = keywords
                .all()
                .iter()
                .filter(|one| one.value == value && one.source == source)
                .count();
            assert!(of >= 10, "{value} has {of} {} keywords", source.name());
        }
    }
}

#[test]
fn the_folders_in_the_repository_hold_the_lists_that_are_built_in() {
    for (choice, folder) in [(Choice::Paper, "keywords"), (Choice::Extended, "keywords-extended")] {
        let texts = |choice: &Choice| -> Vec<_> {
            listed(choice)
                .unwrap()
                .into_iter()
                .map(|one| (one.value, one.source, one.text))
                .collect()
        };
        let folder = Choice::Folder(Path::new("configs").join(folder));
        assert_eq!(texts(&choice), texts(&folder));
    }
}

#[test]
fn one_word_counts_for_several_values_and_each_names_its_keyword_as_printed() {
    let found = |text: &str| -> Vec<(Value, String)> {
        let mut found = found_by(&Choice::Paper, text);
        found.sort();
        found
    };
    let both = [
        (Value::Benevolence, "responsible".to_string()),
        (Value::Tradition, "responsibility".to_string()),
    ];
    for text in ["That is my responsibility", "a responsible man", "irresponsible? no: responsibly"]
    {
        assert_eq!(found(text), both, "{text}");
    }
    assert_eq!(found("a quick response"), [], "Porter2 gives it the same stem, and we do not");
    let respect = ["respect", "respectful", "respect"].map(String::from);
    let values = [Value::SelfDirection, Value::Conformity, Value::Tradition];
    assert_eq!(found("She respects him"), values.into_iter().zip(respect).collect::<Vec<_>>());
    let beauty = |value| (value, "beauty".to_string());
    assert_eq!(found("how beautiful"), [Value::Hedonism, Value::Universalism].map(beauty));
}

#[test]
fn of_a_values_keywords_at_a_word_the_one_most_like_it_is_named() {
    let folder = folder();
    for value in Value::ALL {
        write(folder.path(), &format!("{}.toml", value.name().to_lowercase()), "");
    }
    let list = "original = [\"help\", \"helpful\", \"Helping\", \"helping hands\"]\n";
    write(folder.path(), "power.toml", list);
    let choice = Choice::Folder(folder.path().into());
    for (text, first) in [
        ("help", "help"),
        ("he HELPED me", "help"),
        ("helpful", "helpful"),
        ("all helpfully, they said", "helpful"),
        ("helping", "Helping"),
        ("a helping hand", "helping hands"),
    ] {
        let found = found_by(&choice, text);
        assert_eq!(found[0].1, first, "{text}: {found:?}");
        assert!(found.len() >= 3, "the others are found too: {found:?}");
    }
}

#[test]
fn lists_are_chosen_by_name_and_a_folder_of_that_name_by_its_path() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let texts = write(folder.path(), "texts.txt", "my umbrella\nmy brother\nmy wealth\n")
        .display()
        .to_string();
    std::fs::create_dir(path("paper")).unwrap();
    for value in Value::ALL {
        let file = format!("paper/{}.toml", value.name().to_lowercase());
        write(
            folder.path(),
            &file,
            if value == Value::Power { "original = [\"umbrella\"]\n" } else { "" },
        );
    }
    let rows = |lists: &[&str]| {
        let output = valuenet(["data", "curate", &texts].iter().chain(lists));
        stdout(&output).lines().skip(1).map(String::from).collect::<Vec<_>>()
    };
    let paper = ["my wealth,POWER,wealth,original,3"];
    assert_eq!(rows(&[]), paper);
    assert_eq!(rows(&["--keywords", "paper"]), paper);
    assert_eq!(rows(&["--keywords", &path("paper")]), ["my umbrella,POWER,umbrella,original,1"]);
    let extended = rows(&["--keywords", "extended"]);
    assert!(
        extended.contains(&"my brother,SECURITY,brother,associated,2".to_string()),
        "{extended:?}"
    );
    let union = rows(&["--keywords", "paper+extended"]);
    assert!(
        union.contains(&"my brother,SECURITY,brother,associated,extended,2".to_string()),
        "{union:?}"
    );
    assert!(union.contains(&"my wealth,POWER,wealth,original,paper,3".to_string()), "{union:?}");
    assert_fails(
        &valuenet(["data", "curate", &texts, "--keywords", "papers"]),
        3,
        &["there is no such list of keywords", "built in are paper, extended and paper+extended"],
    );
}

#[test]
fn words_are_lower_cased_runs_without_genitives() {
    let text = lower("Ann’s mother-in-law said: \"DON'T 'stop' Émile's 2nd try\"!");
    let found: Vec<&str> = words(&text).collect();
    assert_eq!(
        found,
        ["ann", "mother", "in", "law", "said", "don't", "stop", "émile", "2nd", "try"]
    );
}

#[test]
fn irregular_and_inflected_forms_have_the_stem_of_their_word() {
    let stems = Stems::default();
    for (word, forms) in [
        ("steal", "steals stealing stole stolen"),
        ("child", "children"),
        ("woman", "women"),
        ("forgive", "forgiving forgave forgiven forgives"),
        ("lie", "lies lied lying"),
        ("tradition", "traditions traditional traditionally"),
        ("help", "helps helped helping helpful"),
    ] {
        for form in forms.split(' ') {
            assert_eq!(stems.of(word), stems.of(form), "{word} {form}");
        }
    }
    for (one, other) in [
        ("authority", "author"),
        ("custom", "customer"),
        ("compassion", "compass"),
        ("wellness", "well"),
        ("law", "lawn"),
    ] {
        assert_ne!(stems.of(one), stems.of(other), "{one} {other}");
    }
}

#[test]
fn a_scenario_is_found_under_several_values_with_where_each_keyword_is_from() {
    let keywords = Keywords::of(&Choice::Extended).unwrap();
    let best = keywords.best(&keywords.find("Helping my family obey the church"));
    let best = best.into_iter().map(|index| keywords.get(index));
    let shown: Vec<_> = best.map(|one| (one.value, one.text.as_str(), one.source)).collect();
    assert_eq!(
        shown,
        [
            (Value::Security, "family", KeywordSource::Original),
            (Value::Benevolence, "help", KeywordSource::Original),
            (Value::Conformity, "obey", KeywordSource::Original),
            (Value::Tradition, "church", KeywordSource::Associated),
        ]
    );
}

#[test]
fn several_words_are_found_only_together() {
    assert!(has("We talked about National-Security today", Value::Security, "national security"));
    assert!(!has("a national park without security", Value::Security, "national security"));
    assert!(has("She practises self discipline", Value::Conformity, "self-discipline"));
}

#[test]
fn keywords_are_words_and_not_parts_of_words() {
    assert!(has("a powerful man", Value::Power, "power"));
    for (text, value) in [
        ("an embarkation", Value::Hedonism),     // bar
        ("the lawn is wet", Value::Security),    // law
        ("a fundamental wall", Value::Hedonism), // fun
        ("the author of that", Value::Power),    // authority
        ("a customer came", Value::Tradition),   // custom
        ("all is going well", Value::Security),  // wellness
    ] {
        assert!(found(text).iter().all(|(found, _)| *found != value), "{text}: {:?}", found(text));
    }
}

#[test]
fn other_lists_are_read_and_their_faults_named() {
    let folder = folder();
    let list = |value: Value, text: &str| {
        write(folder.path(), &format!("{}.toml", value.name().to_lowercase()), text);
    };
    for value in Value::ALL {
        list(value, "");
    }
    list(Value::Power, "# ours\noriginal = [\"umbrella\"]\nembedding = [\"rubber boot\"]\n");
    let keywords = Keywords::of(&Choice::Folder(folder.path().into())).unwrap();
    assert_eq!(keywords.find("Umbrellas and rubber boots").len(), 2);
    for (text, says) in [
        ("original = [\"a\"\nassociated = 3\n", "power.toml:"),
        ("\n\noriginals = [\"a\"]\n", "power.toml:3: unknown field `originals`"),
        ("original = [\"!\"]\n", "the keyword \"!\" has no word in it"),
    ] {
        list(Value::Power, text);
        let error = Keywords::of(&Choice::Folder(folder.path().into())).err().unwrap();
        assert!(error.to_string().contains(says) && error.advice().is_some(), "{error}");
        assert_eq!(error.kind(), Kind::Usage);
    }
    std::fs::remove_file(folder.path().join("power.toml")).unwrap();
    let error = Keywords::of(&Choice::Folder(folder.path().into())).err().unwrap();
    assert!(error.to_string().contains("power.toml: there is no such list"), "{error}");
}

proptest! {
    #[test]
    fn a_keyword_is_found_in_any_text_as_a_word_and_never_inside_one(
        choice in prop::sample::select(vec![Choice::Paper, Choice::Extended, Choice::PaperAndExtended]),
        index in any::<prop::sample::Index>(),
        before in "[a-z ]{0,20}",
    ) {
        let keywords = Keywords::of(&choice).unwrap();
        let (place, keyword) = (index.index(keywords.all().len()), index.get(keywords.all()));
        let found = keywords.find(&format!("{before} {}, then", keyword.text.to_uppercase()));
        prop_assert!(found.contains(&place), "{}", keyword.text);
        let inside = format!("zq{}zq", keyword.text.replace([' ', '-'], ""));
        prop_assert!(keywords.find(&inside).is_empty(), "{inside}");
    }

    #[test]
    fn regular_inflections_of_a_verb_are_found(word in prop::sample::select(
        vec!["help", "obey", "protect", "explore", "enjoy", "donate", "worship", "succeed", "relax", "insult"])) {
        let stem = word.strip_suffix('e').unwrap_or(word);
        let double = if word == "worship" { "p" } else { "" };

        for form in [format!("{word}s"), format!("{stem}{double}ing"), format!("{stem}{double}ed")] {
            let stems = Stems::default();
            prop_assert_eq!(stems.of(word), stems.of(&form), "{}", form);
        }
    }
}
