//! ValueNet and dialogues on disk: rows in, rows and counts out. No tensors, no tokens of a model.

pub mod aggregate;
pub mod annotations;
pub mod augment;
pub mod balance;
pub mod cells;
pub mod check;
pub mod conversation;
pub mod convert;
pub mod curate;
mod delimited;
pub mod dialogue;
mod exact;
mod jsonl;
pub mod labelled;
pub mod labelled_check;
mod packed;
pub mod parquet;
pub mod partition;
mod quoting;
mod record;
mod records;
pub mod refined;
mod rows;
pub mod splits;
pub mod stats;
pub mod survey;
pub mod table;
mod text_table;
pub mod texts;
mod touche;
pub mod unlabelled;
pub mod write;

pub use records::FileKind;
pub use splits::{Part, Split};
pub use table::{Row, Sample, SampleTable};
pub use text_table::{Keep, Kept, TextBatch, TextKind, TextTable};
