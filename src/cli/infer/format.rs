//! The formats that vectors are written in.

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use valuenet::error::Error;
use valuenet::report::profiles::foreign::Foreign;
use valuenet::report::profiles::{Columns, ProfileFormat, ProfileWriter};

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VectorFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// An Apache Parquet file.
    Parquet,
    /// A stream of Arrow's batches, one for each that is read.
    Arrow,
    /// A file for pyvalues: how far each text attains and constrains a value. The first column of --keep
    /// is its ID, the second its language; else the row's number, and en.
    Pyvalues,
    /// A run for Touché 2023, of its arguments: --column is Premise unless another is named.
    Touche23,
    /// A run for Touché 2024, of its sentences.
    Touche24,
    /// A NumPy float32 array of shape (texts, 10), or (texts, labels); with --probabilities (texts,
    /// 40): the ten utilities, then the three probabilities of each value.
    Npy,
}

impl VectorFormat {
    /// What files of it end in.
    pub fn extension(self) -> &'static str {
        match self {
            VectorFormat::Jsonl => "jsonl",
            VectorFormat::Csv => "csv",
            VectorFormat::Tsv => "tsv",
            VectorFormat::Parquet => "parquet",
            VectorFormat::Arrow => "arrows",
            VectorFormat::Npy => "npy",
            VectorFormat::Pyvalues | VectorFormat::Touche23 | VectorFormat::Touche24 => "tsv",
        }
    }

    /// Whether a column's cells are all of one kind.
    pub fn is_typed(self) -> bool {
        matches!(self, VectorFormat::Parquet | VectorFormat::Arrow)
    }

    /// The one that a file's name says.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        let says = |format: &&Self| extension.eq_ignore_ascii_case(format.extension());
        Self::value_variants().iter().find(says).copied()
    }
}

impl From<VectorFormat> for ProfileFormat {
    fn from(format: VectorFormat) -> Self {
        match format {
            VectorFormat::Jsonl => ProfileFormat::Jsonl,
            VectorFormat::Csv => ProfileFormat::Csv,
            VectorFormat::Tsv => ProfileFormat::Tsv,
            VectorFormat::Parquet => ProfileFormat::Parquet,
            VectorFormat::Arrow => ProfileFormat::Arrow,
            VectorFormat::Npy => ProfileFormat::Npy,
            VectorFormat::Pyvalues => ProfileFormat::Foreign(Foreign::Pyvalues),
            VectorFormat::Touche23 => ProfileFormat::Foreign(Foreign::Touche23),
            VectorFormat::Touche24 => ProfileFormat::Foreign(Foreign::Touche24),
        }
    }
}

/// What is written of texts.
pub struct Shape {
    /// In which format.
    pub format: VectorFormat,
    /// Whether with the probabilities of classes.
    pub probabilities: bool,
    /// Beside what.
    pub columns: Columns,
}

impl Shape {
    /// Begins to write.
    pub fn begin<W: Write + Send>(&self, out: W) -> Result<ProfileWriter<W>, Error> {
        ProfileWriter::new(self.format.into(), self.probabilities, &self.columns, out)
    }
}
