//! Near-duplicates in a stream: whoever comes first is kept, and what is much like it is dropped.
//!
//! Two scenarios are the same if their words are, whatever their case and punctuation (compared by
//! a 64-bit hash). They are near if their sets of shingles, pairs of neighbouring stems, have a
//! Jaccard similarity of at least the threshold. Of a long text the 64 smallest shingle hashes
//! stand for the set (a bottom-k sketch, Broder 1997). Candidates are found by MinHash in bands of
//! three, as many bands as find a pair at the threshold with a probability of 99% (below a
//! threshold of 0.48 the bands are limited, and it is less); each candidate is then compared.
//! Memory is bounded for each scenario kept, and nothing is random: the same stream always gives
//! the same.

use std::collections::{HashMap, HashSet};

use crate::seed::name_index;

/// Shingles of a text that are remembered.
const REMEMBERED: usize = 64;
/// MinHashes that must agree in a band.
const ROWS: usize = 3;
/// More bands are not made, however low the threshold.
const MOST_BANDS: usize = 40;
/// Candidates of a band that are compared, the latest first.
const COMPARED: usize = 512;
/// No text.
const NONE: u32 = u32::MAX;

/// What is remembered of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    same: u64,
    /// The smallest shingle hashes, in order.
    shingles: Vec<u32>,
    bands: Vec<u32>,
}

/// Makes sketches.
#[derive(Debug, Clone, Copy)]
pub struct Sketcher {
    bands: usize,
}

impl Sketcher {
    /// For a threshold above 0, up to 1.
    pub fn new(threshold: f64) -> Self {
        let agree = threshold.powi(ROWS as i32);
        let bands = (0.01f64.ln() / (1.0 - agree).ln()).ceil();
        Self { bands: if agree >= 1.0 { 1 } else { (bands as usize).clamp(1, MOST_BANDS) } }
    }

    /// The sketch of a text of these words, in lower case, and stems.
    pub(super) fn sketch(&self, words: &[&str], stems: &[u64]) -> Sketch {
        let same = words.iter().fold(0, |hash, word| mix(hash ^ name_index(word)));
        let pairs = stems.windows(2).map(|pair| mix(pair[0].rotate_left(1) ^ mix(pair[1])));
        let alone = stems.first().filter(|_| stems.len() == 1).map(|stem| mix(*stem));
        let mut shingles: Vec<u32> = pairs.chain(alone).map(|hash| (hash >> 32) as u32).collect();
        shingles.sort_unstable();
        shingles.dedup();
        let least = |seed: usize| {
            shingles
                .iter()
                .map(|shingle| mix(u64::from(*shingle) | (seed as u64 + 1) << 32))
                .min()
                .unwrap_or(0)
        };
        let band = |number: usize| {
            (0..ROWS).fold(number as u64, |hash, row| mix(hash ^ least(number * ROWS + row))) as u32
        };
        let bands = (0..self.bands).map(band).collect();
        shingles.truncate(REMEMBERED);
        Sketch { same, shingles, bands }
    }
}

/// The finalizer of SplitMix64 (Steele et al. 2014): every bit of the number decides about every
/// bit of the result.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The Jaccard similarity of two sets of shingle hashes: exact if both are remembered whole, else
/// estimated from the smallest hashes of both.
fn similarity(one: &[u32], other: &[u32]) -> f64 {
    let whole = one.len() < REMEMBERED && other.len() < REMEMBERED;
    let most = if whole { usize::MAX } else { REMEMBERED };
    let (mut left, mut right, mut union, mut both) = (0, 0, 0usize, 0usize);
    while union < most && (left < one.len() || right < other.len()) {
        let (a, b) = (one.get(left), other.get(right));
        let (takes_a, takes_b) = match (a, b) {
            (Some(a), Some(b)) => (a <= b, b <= a),
            (a, b) => (a.is_some(), b.is_some()),
        };
        left += usize::from(takes_a);
        right += usize::from(takes_b);
        union += 1;
        both += usize::from(takes_a && takes_b);
    }
    if union == 0 { 1.0 } else { both as f64 / union as f64 }
}

/// How a text stands to those that were kept before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is like none of them, and is kept.
    New,
    /// One has the same words.
    Same,
    /// One is near.
    Near,
}

/// The texts that were kept.
#[derive(Debug)]
pub struct Seen {
    threshold: f64,
    same: HashSet<u64>,
    /// All shingles, text after text, and where those of each text end.
    shingles: Vec<u32>,
    ends: Vec<usize>,
    /// For each band, the latest text with a key; and for each text and band, the text before it
    /// with the same key.
    latest: Vec<HashMap<u32, u32>>,
    before: Vec<u32>,
}

impl Seen {
    /// Nothing has been kept.
    pub fn new(threshold: f64) -> Self {
        let bands = Sketcher::new(threshold).bands;
        Self {
            threshold,
            same: HashSet::new(),
            shingles: Vec::new(),
            ends: Vec::new(),
            latest: vec![HashMap::new(); bands],
            before: Vec::new(),
        }
    }

    /// Meets a text, and keeps it if it is new.
    pub fn meet(&mut self, sketch: &Sketch) -> Standing {
        if self.same.contains(&sketch.same) {
            return Standing::Same;
        }
        if (0..sketch.bands.len()).any(|band| self.has_near(sketch, band)) {
            return Standing::Near;
        }
        self.same.insert(sketch.same);
        self.shingles.extend(&sketch.shingles);
        let text = self.ends.len() as u32;
        self.ends.push(self.shingles.len());
        for (latest, key) in self.latest.iter_mut().zip(&sketch.bands) {
            self.before.push(latest.insert(*key, text).unwrap_or(NONE));
        }
        Standing::New
    }

    fn has_near(&self, sketch: &Sketch, band: usize) -> bool {
        let first = self.latest[band].get(&sketch.bands[band]).copied();
        let texts = std::iter::successors(first, |text| {
            let before = self.before[*text as usize * self.latest.len() + band];
            (before != NONE).then_some(before)
        });
        let near =
            |text: u32| similarity(self.of(text as usize), &sketch.shingles) >= self.threshold;
        texts.take(COMPARED).any(near)
    }

    fn of(&self, text: usize) -> &[u32] {
        let start = text.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.shingles[start..self.ends[text]]
    }
}
