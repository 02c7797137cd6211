//! Value profiles of many: what the texts of each author are worth on average, in one pass over the texts and in
//! memory that grows with the authors alone.

use std::collections::HashMap;

use serde::Serialize;

use super::bootstrap::Interval;
use super::speaker::Level;
use crate::value::{Group, Profile, Value};

/// The ten values, and behind them the four groups.
pub const LEVELS: usize = Value::COUNT + Group::ALL.len();

/// The authors so far.
#[derive(Debug, Clone)]
pub struct Authors {
    center: bool,
    hedonism: Group,
    places: HashMap<String, usize>,
    found: Vec<(String, Moments)>,
}

/// The value profile of an author.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuthorProfile {
    /// Who it is.
    pub author: String,
    /// How many texts there are of them.
    pub texts: u64,
    /// The means of the ten values and of the four groups, with Student's 95% intervals from two texts on.
    pub levels: Vec<Level>,
}

impl Authors {
    /// Nobody yet. With `center` the mean of a text's ten utilities is taken off each of them, which takes the
    /// author's mean over the ten off theirs; hedonism counts with the group `hedonism`: self-enhancement as in
    /// the paper, or openness to change as in Schwartz's own key.
    pub fn new(center: bool, hedonism: Group) -> Self {
        Self { center, hedonism, places: HashMap::new(), found: Vec::new() }
    }

    /// Adds the vector of a text.
    pub fn add(&mut self, author: &str, profile: &Profile) {
        let mut utilities = profile.map(f64::from);
        if self.center {
            let mean = utilities.iter().sum::<f64>() / Value::COUNT as f64;
            utilities = utilities.map(|utility| utility - mean);
        }
        let of = |value| if value == Value::Hedonism { self.hedonism } else { Group::of(value) };
        let groups = Group::ALL.map(|group| group.mean_by(&utilities, of));
        let levels: [f64; LEVELS] = std::array::from_fn(|place| match place < Value::COUNT {
            true => utilities[place],
            false => groups[place - Value::COUNT],
        });
        let place = self.places.get(author).copied().unwrap_or_else(|| {
            self.places.insert(author.into(), self.found.len());
            self.found.push((author.into(), Moments::default()));
            self.found.len() - 1
        });
        self.found[place].1.add(&levels);
    }

    /// The profiles, in the order in which the authors were first met.
    pub fn profiles(&self) -> Vec<AuthorProfile> {
        let profile = |(author, moments): &(String, Moments)| AuthorProfile {
            author: author.clone(),
            texts: moments.count,
            levels: moments.levels(),
        };
        self.found.iter().map(profile).collect()
    }
}

/// Means, and sums of squares about them (Welford).
#[derive(Debug, Clone, Default)]
struct Moments {
    count: u64,
    means: [f64; LEVELS],
    squares: [f64; LEVELS],
}

impl Moments {
    fn add(&mut self, levels: &[f64; LEVELS]) {
        self.count += 1;
        let count = self.count as f64;
        for ((mean, squares), level) in self.means.iter_mut().zip(&mut self.squares).zip(levels) {
            let off = level - *mean;
            *mean += off / count;
            *squares += off * (level - *mean);
        }
    }

    fn levels(&self) -> Vec<Level> {
        let count = self.count as f64;
        let level = |(&mean, &squares): (&f64, &f64)| {
            let interval = (self.count > 1).then(|| {
                let half = student(self.count - 1) * (squares / (count - 1.0) / count).sqrt();
                Interval::from([mean - half, mean + half])
            });
            Level { mean, interval }
        };
        self.means.iter().zip(&self.squares).map(level).collect()
    }
}

/// The 97.5% quantile of Student's distribution with so many degrees of freedom: exact for one and two, and by
/// the expansion of Cornish and Fisher otherwise, which is off by .004 for three and by less for more (Abramowitz
/// and Stegun 26.7.5).
fn student(freedom: u64) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    let z = |power: i32| Z.powi(power);
    let terms = [
        Z,
        (z(3) + Z) / 4.0,
        (5.0 * z(5) + 16.0 * z(3) + 3.0 * Z) / 96.0,
        (3.0 * z(7) + 19.0 * z(5) + 17.0 * z(3) - 15.0 * Z) / 384.0,
        (79.0 * z(9) + 776.0 * z(7) + 1482.0 * z(5) - 1920.0 * z(3) - 945.0 * Z) / 92160.0,
    ];
    match freedom {
        1 => 12.706_204_736_174_7,
        2 => 4.302_652_729_911_28,
        _ => terms.iter().rev().fold(0.0, |sum, term| sum / freedom as f64 + term),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, known) in [
            (1, 12.7062),
            (2, 4.3027),
            (3, 3.1824),
            (5, 2.5706),
            (10, 2.2281),
            (30, 2.0423),
            (1 << 40, 1.96),
        ] {
            assert!((student(freedom) - known).abs() < 4e-3, "{freedom}: {}", student(freedom));
        }
    }
}
