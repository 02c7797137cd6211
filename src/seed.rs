//! Randomness without state: counter-based streams.
//!
//! Every random number of the program is a function of (seed, purpose, index, position), computed
//! by Philox 4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011). So a
//! resumed run needs no generator state, any number of threads draws the same numbers, and no two
//! purposes share a stream.

/// What a stream is for. Streams of different purposes never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The order of samples in an epoch; the index is the epoch.
    Shuffle = 1,
    /// Dropout masks; the index is the place in the training run and in the network.
    Dropout = 2,
    /// Initial values of parameters; the index is a hash of the parameter's name.
    Init = 3,
    /// Which rows of a dataset are kept; the index is the value's and the label's.
    Balance = 4,
    /// Which texts a bootstrap replicate draws; the index is the replicate's number.
    Bootstrap = 5,
    /// The order in which texts are dealt out: to splits, index 0; dialogues that are kept apart, 1;
    /// texts to the parts of a train split, 2, and of the train and eval splits together, 3.
    Partition = 13,
    /// The order of a survey's questions and which hidden ones are among them; the index is the
    /// value's.
    Survey = 14,
    /// Which dialogue's persona another dialogue is given; the index is 0, or one more than the
    /// dialogue's for those that its own is ranked among.
    Persona = 9,
    /// Which tokens a language model draws; the index is the prompt's and the sample's.
    Sampling = 21,
    /// The order in which dialogues are replied to, to learn from the replies' rewards; the index is
    /// how often all have been.
    Rollout = 22,
    /// What another text is given in the place of its own, to see what that is worth: its values, index 0,
    /// or its emotion, index 1.
    Shuffled = 23,
    /// Under which other values a text is learned from than it was labelled under; the index is 0.
    Unlabelled = 24,
    /// Which utterances a reply is to be told from; the index is the dialogue's and the turn's.
    Candidates = 20,
}

/// One stream of random numbers.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    key: [u32; 2],
    /// The upper three words of the counter; the lowest is the block's number.
    stream: [u32; 3],
    block: u32,
    words: [u32; 4],
    used: usize,
}

/// How many blocks [`Stream::blocks`] computes side by side: one vector register's worth of 32-bit
/// lanes.
const LANES: usize = 16;

impl Stream {
    /// The stream of a `seed`, a `purpose` and an `index` within that purpose.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            stream: [index as u32, (index >> 32) as u32, purpose as u32],
            block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    /// The key and the upper three words of the counter: the whole stream, for those who compute it
    /// elsewhere.
    pub fn words(&self) -> [u32; 5] {
        let ([k0, k1], [a, b, c]) = (self.key, self.stream);
        [k0, k1, a, b, c]
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let [a, b, c] = self.stream;
            self.words = philox(self.key, [self.block, a, b, c]);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A number below `bound`, each equally likely (Lemire's rejection method).
    pub fn below(&mut self, bound: u32) -> u32 {
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= bound.wrapping_neg() % bound.max(1) {
                return (product >> 32) as u32;
            }
        }
    }

    /// A standard normal number (Box and Muller's method).
    pub fn normal(&mut self) -> f32 {
        let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
        let (radius, angle) = (unit(self.next_u32()), unit(self.next_u32()));
        ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
    }

    /// Puts `items` into a random order (Fisher and Yates' method).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }

    /// Writes the 32-bit words of the blocks from number `first` on into `words`, whatever has been
    /// drawn before; block `n` holds the words `4 * n .. 4 * n + 4`. `words.len()` is a
    /// multiple of four.
    #[inline(always)]
    pub fn blocks(&self, first: u32, words: &mut [u32]) {
        let [a, b, c] = self.stream;
        let mut block = first;
        for chunk in words.chunks_mut(4 * LANES) {
            let counter = std::array::from_fn(|lane| block.wrapping_add(lane as u32));
            let lanes = philox_lanes(self.key, [counter, [a; LANES], [b; LANES], [c; LANES]]);
            for (lane, out) in chunk.chunks_exact_mut(4).enumerate() {
                out.copy_from_slice(&[
                    lanes[0][lane],
                    lanes[1][lane],
                    lanes[2][lane],
                    lanes[3][lane],
                ]);
            }
            block = block.wrapping_add(LANES as u32);
        }
    }
}

/// A number for a name, to give each named thing its own stream (FNV-1a, 64 bits).
pub fn name_index(name: &str) -> u64 {
    name.bytes().fold(FNV_START, fnv)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

/// One number for several, to give each combination of them its own stream (FNV-1a, 64 bits).
pub fn mixed_index(numbers: &[u64]) -> u64 {
    numbers.iter().flat_map(|number| number.to_le_bytes()).fold(FNV_START, fnv)
}

/// Philox 4x32 with ten rounds: 128 random bits for a key and a counter.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    philox_lanes(key, counter.map(|word| [word])).map(|[word]| word)
}

/// [`philox`] for `N` counters side by side, in a form that compiles to vector instructions.
#[inline(always)]
fn philox_lanes<const N: usize>(key: [u32; 2], counter: [[u32; N]; 4]) -> [[u32; N]; 4] {
    let [mut k0, mut k1] = key;
    let [mut x0, mut x1, mut x2, mut x3] = counter;
    for _ in 0..10 {
        for lane in 0..N {
            let a = u64::from(x0[lane]) * 0xd251_1f53;
            let b = u64::from(x2[lane]) * 0xcd9e_8d57;
            x0[lane] = (b >> 32) as u32 ^ x1[lane] ^ k0;
            x1[lane] = b as u32;
            x2[lane] = (a >> 32) as u32 ^ x3[lane] ^ k1;
            x3[lane] = a as u32;
        }
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
    }
    [x0, x1, x2, x3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_known_answers_of_its_authors() {
        // Random123's kat_vectors, "philox4x32 10".
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0xa409_3822, 0x299f_31d0],
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn blocks_are_the_words_drawn_one_by_one() {
        let mut stream = Stream::new(7, Purpose::Dropout, 1 << 40);
        let drawn: Vec<u32> = (0..200).map(|_| stream.next_u32()).collect();
        let mut words = vec![0; 196];
        stream.blocks(1, &mut words);
        assert_eq!(words, drawn[4..]);
    }

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let mut stream = Stream::new(1, Purpose::Shuffle, 0);
        let mut counts = [0; 6];
        for _ in 0..60_000 {
            counts[stream.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (9_700..10_300).contains(&count)), "{counts:?}");
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut stream = Stream::new(1, Purpose::Init, 0);
        let drawn: Vec<f64> = (0..100_000).map(|_| f64::from(stream.normal())).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(
            mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02,
            "mean {mean}, variance {variance}"
        );
    }
}
