//! What the service counts, in Prometheus' text format.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Upper ends of latencies, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper ends of batch sizes, in texts.
const TEXTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Path {
    path: &'static str,
}

pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    latencies: Family<Path, Histogram>,
    scored: Counter,
    batches: Histogram,
    waiting: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("valuenet"),
            requests: Family::default(),
            latencies: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            scored: Counter::default(),
            batches: Histogram::new(TEXTS),
            waiting: Gauge::default(),
        };
        // The registry adds `_total` to counters, and a full stop to what is said of them.
        let registry = &mut metrics.registry;
        let requests = metrics.requests.clone();
        registry.register("requests", "Requests answered, by path and status", requests);
        let latencies = metrics.latencies.clone();
        let about = "Seconds from a request's head to its answer";
        registry.register("request_seconds", about, latencies);
        registry.register("texts_scored", "Texts scored", metrics.scored.clone());
        registry.register("batch_texts", "Texts scored together", metrics.batches.clone());
        let about = "Texts that wait to be scored";
        registry.register("texts_waiting", about, metrics.waiting.clone());
        metrics
    }

    /// A request was answered.
    pub fn request(&self, path: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { path, status }).inc();
        self.latencies.get_or_create(&Path { path }).observe(took.as_secs_f64());
    }

    /// A batch of texts was scored.
    pub fn batch(&self, texts: usize) {
        self.scored.inc_by(texts as u64);
        self.batches.observe(texts as f64);
    }

    /// Everything, with the number of texts that wait now.
    pub fn text(&self, waiting: usize) -> String {
        self.waiting.set(waiting as i64);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_their_names_and_labels_and_buckets_are_cumulative() {
        let metrics = Metrics::new();
        metrics.request("/score", 200, Duration::from_millis(3));
        metrics.request("/score", 200, Duration::from_millis(700));
        metrics.request("/score", 413, Duration::from_millis(1));
        [1, 5, 1000].into_iter().for_each(|texts| metrics.batch(texts));
        let text = metrics.text(7);
        for line in [
            "# HELP valuenet_requests_total Requests answered, by path and status.",
            "# TYPE valuenet_requests_total counter",
            "valuenet_requests_total{path=\"/score\",status=\"200\"} 2",
            "valuenet_requests_total{path=\"/score\",status=\"413\"} 1",
            "# HELP valuenet_request_seconds Seconds from a request's head to its answer.",
            "# TYPE valuenet_request_seconds histogram",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"0.0025\"} 1",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"0.005\"} 2",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"1\"} 3",
            "valuenet_request_seconds_bucket{path=\"/score\",le=\"+Inf\"} 3",
            "valuenet_request_seconds_count{path=\"/score\"} 3",
            "# TYPE valuenet_texts_scored_total counter",
            "valuenet_texts_scored_total 1006",
            "# TYPE valuenet_batch_texts histogram",
            "valuenet_batch_texts_bucket{le=\"4\"} 1",
            "valuenet_batch_texts_bucket{le=\"256\"} 2",
            "valuenet_batch_texts_bucket{le=\"+Inf\"} 3",
            "valuenet_batch_texts_sum 1006.0",
            "# TYPE valuenet_texts_waiting gauge",
            "valuenet_texts_waiting 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
