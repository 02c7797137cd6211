//! What a server says, before it is believed. Only a value of these types ever becomes a path.

use std::io::Read;
use std::path::{Component, Path};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The digest of a file's bytes, from its etag: a blob's name in git (40 hexadecimal digits), or
/// SHA-256 (64).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// Reads an etag: the digits in lower case, perhaps in quotes, perhaps marked as weak.
    pub fn parse(etag: &str) -> Option<Self> {
        let digits = etag.strip_prefix("W/").unwrap_or(etag);
        let digits =
            digits.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(digits);
        ((digits.len() == 40 || digits.len() == 64) && is_hex(digits)).then(|| Self(digits.into()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a file has exactly so many bytes and this digest.
    pub fn fits(&self, path: &Path, size: u64) -> std::io::Result<bool> {
        let mut file = std::fs::File::open(path)?;
        if file.metadata()?.len() != size {
            return Ok(false);
        }
        Ok(self.0
            == match self.0.len() {
                40 => hex_of(Sha1::new_with_prefix(format!("blob {size}\0")), &mut file)?,
                _ => hex_of(Sha256::new(), &mut file)?,
            })
    }
}

fn hex_of<H: sha2::Digest>(mut hasher: H, file: &mut impl Read) -> std::io::Result<String> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether it is a commit's name: 40 hexadecimal digits in lower case.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a name, perhaps with folders, stays below the folder that it is joined to, on any
/// system.
pub fn stays_below(name: &str) -> bool {
    let is_plain =
        |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    name.split(['/', '\\']).all(is_plain)
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// A server's words, shortened and without control characters.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?} and so on", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: &str = "9e26dfeeb6e641a33dae4961196235bdb965b21b";

    #[test]
    fn only_a_digest_of_the_right_length_is_an_etag() {
        for etag in [GIT.to_string(), format!("\"{GIT}\""), format!("W/\"{GIT}\""), "0".repeat(64)]
        {
            assert!(Digest::parse(&etag).is_some(), "{etag}");
        }
        let longer = format!("{GIT}0");
        let slash = format!("/{}", &GIT[1..]);
        let climbing = format!("../{}", &GIT[3..]);
        let quote = format!("\"{}", &GIT[1..]);
        for etag in
            ["", "\"", "W/", "/etc/passwd", &longer, &slash, &climbing, &quote, &GIT.to_uppercase()]
        {
            assert_eq!(Digest::parse(etag), None, "{etag}");
        }
    }

    #[test]
    fn a_digest_fits_its_own_bytes_only() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        let sha256 = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        for digest in [GIT, sha256].map(|digits| Digest(digits.into())) {
            std::fs::write(&path, "{}")?;
            assert!(digest.fits(&path, 2)?, "{digest:?}");
            assert!(!digest.fits(&path, 3)?, "{digest:?}");
            std::fs::write(&path, "[]")?;
            assert!(!digest.fits(&path, 2)?, "{digest:?}");
        }
        Ok(())
    }

    #[test]
    fn a_name_that_climbs_or_is_absolute_does_not_stay_below() {
        for name in ["main", "refs/pr/1", "v1.0", "a..b", "onnx/model.onnx"] {
            assert!(stays_below(name), "{name}");
        }
        for name in
            ["", "/etc", "..", "a/../../b", "a//b", "./a", "a/", "\\etc", "..\\a", "a\0b", "a\nb"]
        {
            assert!(!stays_below(name), "{name:?}");
        }
    }

    #[test]
    fn a_servers_words_are_short_and_tame() {
        assert_eq!(quoted("a\x1b[2J\n"), r#""a\u{1b}[2J\n""#);
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\" and so on", "é".repeat(60)));
    }
}
