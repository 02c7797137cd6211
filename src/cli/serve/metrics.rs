//! What the service counts, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Upper ends of latencies, in seconds.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper ends of batch sizes, in texts.
const TEXTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

pub struct Metrics(Mutex<Counted>);

struct Counted {
    requests: BTreeMap<(&'static str, u16), u64>,
    latencies: BTreeMap<&'static str, Histogram>,
    batches: Histogram,
}

#[derive(Clone)]
struct Histogram {
    ends: &'static [f64],
    /// How many are at most each end; cumulative, as Prometheus has it.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    fn new(ends: &'static [f64]) -> Self {
        Self { ends, counts: vec![0; ends.len()], count: 0, sum: 0.0 }
    }

    fn add(&mut self, number: f64) {
        for (count, end) in self.counts.iter_mut().zip(self.ends) {
            *count += u64::from(number <= *end);
        }
        self.count += 1;
        self.sum += number;
    }

    /// The lines of the histogram; `label` ends in a comma unless it is empty.
    fn write(&self, out: &mut String, name: &str, label: &str) {
        for (end, count) in self.ends.iter().zip(&self.counts) {
            line(out, &format!("{name}_bucket{{{label}le=\"{end}\"}}"), count);
        }
        line(out, &format!("{name}_bucket{{{label}le=\"+Inf\"}}"), self.count);
        let label = label.trim_end_matches(',');
        let label = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        line(out, &format!("{name}_sum{label}"), self.sum);
        line(out, &format!("{name}_count{label}"), self.count);
    }
}

fn line(out: &mut String, name: &str, number: impl Display) {
    let _ = writeln!(out, "{name} {number}"); // writing to a string does not fail
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

impl Metrics {
    pub fn new() -> Self {
        let (requests, latencies) = (BTreeMap::new(), BTreeMap::new());
        Self(Mutex::new(Counted { requests, latencies, batches: Histogram::new(TEXTS) }))
    }

    /// A request was answered.
    pub fn request(&self, path: &'static str, status: u16, took: Duration) {
        let mut counted = self.counted();
        *counted.requests.entry((path, status)).or_default() += 1;
        counted
            .latencies
            .entry(path)
            .or_insert_with(|| Histogram::new(SECONDS))
            .add(took.as_secs_f64());
    }

    /// A batch of texts was scored.
    pub fn batch(&self, texts: usize) {
        self.counted().batches.add(texts as f64);
    }

    /// Everything, with the number of texts that wait now.
    pub fn text(&self, waiting: usize) -> String {
        let counted = self.counted();
        let mut out = String::new();
        head(
            &mut out,
            "valuenet_requests_total",
            "counter",
            "Requests answered, by path and status.",
        );
        for ((path, status), count) in &counted.requests {
            line(
                &mut out,
                &format!("valuenet_requests_total{{path=\"{path}\",status=\"{status}\"}}"),
                count,
            );
        }
        head(
            &mut out,
            "valuenet_request_seconds",
            "histogram",
            "Seconds from a request's head to its answer.",
        );
        for (path, latencies) in &counted.latencies {
            latencies.write(&mut out, "valuenet_request_seconds", &format!("path=\"{path}\","));
        }
        head(&mut out, "valuenet_texts_scored_total", "counter", "Texts scored.");
        line(&mut out, "valuenet_texts_scored_total", counted.batches.sum);
        head(&mut out, "valuenet_batch_texts", "histogram", "Texts scored together.");
        counted.batches.write(&mut out, "valuenet_batch_texts", "");
        head(&mut out, "valuenet_texts_waiting", "gauge", "Texts that wait to be scored.");
        line(&mut out, "valuenet_texts_waiting", waiting);
        out
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_paths_and_states_apart() {
        let metrics = Metrics::new();
        metrics.request("/score", 200, Duration::from_millis(3));
        metrics.request("/score", 200, Duration::from_millis(700));
        metrics.request("/score", 413, Duration::from_millis(1));
        [1, 5, 1000].into_iter().for_each(|texts| metrics.batch(texts));
        let text = metrics.text(7);
        for line in [
            "valuenet_requests_total{path=\"/score\",status=\"200\"} 2",
            "valuenet_requests_total{path=\"/score\",status=\"413\"} 1",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"0.0025\"} 1",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"0.005\"} 2",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"+Inf\"} 3",
            "valuenet_request_seconds_count{path=\"/score\"} 3",
            "valuenet_texts_scored_total 1006",
            "valuenet_batch_texts_bucket{le=\"4\"} 1",
            "valuenet_batch_texts_bucket{le=\"256\"} 2",
            "valuenet_batch_texts_bucket{le=\"+Inf\"} 3",
            "valuenet_batch_texts_sum 1006",
            "valuenet_texts_waiting 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
