//! Where the data of tables is, and the runs that their rows use beside it.

use std::path::{Path, PathBuf};

use super::ReproduceRequest;
use super::rows::{ModelRow, Tables, Uses};
use crate::data::Split;
use crate::error::{Error, Result};

/// The names and folders of the versions.
pub(super) fn versions(request: &ReproduceRequest) -> Result<Vec<(String, PathBuf)>> {
    let data = &request.data;
    let is_dataset = |folder: &Path| Split::Train.find(folder).is_some();
    let named: Vec<(String, PathBuf)> =
        request.versions.iter().map(|name| (name.clone(), data.join(name))).collect();
    if let Some((name, folder)) = named.iter().find(|(_, folder)| !is_dataset(folder)) {
        let what = format!("there is no version {name} here");
        return Err(
            Error::data(folder, what).help("`valuenet data balance` and `augment` make versions")
        );
    }
    if !named.is_empty() {
        return Ok(named);
    }
    if is_dataset(data) {
        let whole = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        let name =
            whole.file_name().map_or("data".into(), |name| name.to_string_lossy().into_owned());
        return Ok(vec![(name, data.clone())]);
    }
    let usual =
        ["original", "balanced", "augmented"].map(|name| (name.to_string(), data.join(name)));
    let found: Vec<(String, PathBuf)> =
        usual.into_iter().filter(|(_, folder)| is_dataset(folder)).collect();
    match found.is_empty() {
        true => {
            Err(Error::data(data, "there is neither a train.csv nor a folder original with one")
                .help("name the folder of the dataset with --data"))
        }
        false => Ok(found),
    }
}

/// The folder of the runs of a table without versions, and that of its data.
pub(super) fn one_version(
    request: &ReproduceRequest,
    rows: &[&ModelRow],
) -> Result<(String, PathBuf)> {
    let ReproduceRequest { tables, data, .. } = request;
    let (name, whose, config) = match tables {
        Tables::Emotions => ("table5", "EMPATHETICDIALOGUES", "emotion-bert"),
        Tables::Replies => ("table6", "EMPATHETICDIALOGUES", "empathetic-gpt2"),
        Tables::Values | Tables::Dialogues => ("table4", "ConvAI2's files", "persona-gpt2"),
    };
    if !request.versions.is_empty() {
        let what = format!("{tables} has no versions of the data");
        return Err(Error::usage(what).help("leave --versions out"));
    }
    if !data.is_dir() {
        let help =
            format!("name the folder of {whose} with --data; configs/{config}.toml says which");
        return Err(Error::data(data, "there is no such folder").help(help));
    }
    for uses in Uses::ALL {
        let [does, idle] = uses.in_words();
        let learns = rows.iter().find(|row| row.uses == Some(uses));
        match (learns, request.run_of(uses)) {
            (Some(row), None) => {
                let what = format!("the row {} {does}", row.name);
                let help =
                    format!("name its run with {}, or the other rows with --rows", uses.flag());
                return Err(Error::usage(what).help(help));
            }
            (None, Some(_)) => {
                return Err(Error::usage(idle).help("name rows that do with --rows"));
            }
            _ => {}
        }
    }
    Ok((name.into(), data.clone()))
}

impl ReproduceRequest {
    /// The run that rows of the tables use so, if it was named.
    pub(super) fn run_of(&self, uses: Uses) -> Option<&PathBuf> {
        let [without, with] = &self.emotions;
        match (uses, self.tables) {
            (Uses::Emotions, _) => without.as_ref(),
            (Uses::EmotionsOfValues, _) => with.as_ref(),
            (Uses::Values, Tables::Emotions) => self.values.as_ref(),
            (Uses::Values, _) => None,
            (Uses::Rewards, Tables::Emotions) => None,
            (Uses::Rewards, _) => self.values.as_ref(),
        }
    }
}
