//! What the service answers: `/score`, `/reward`, `/health` and `/metrics`.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::sync::oneshot;
use tokio::time::timeout;
use valuenet::error::Result as Scores;
use valuenet::infer::queue::{Asker, Queue, Refused};
use valuenet::report::profiles;
use valuenet::report::rewards::{self, Settings};
use valuenet::reward::{Form, GAMMA, Reward};
use valuenet::value::{Profile, ScoredText};

use super::Limits;
use super::body::{Refusal, answer, read};
use super::metrics::Metrics;

/// What all requests share.
pub struct Service {
    pub queue: Queue<Waiting>,
    pub metrics: Metrics,
    pub limits: Limits,
    /// What `/health` answers.
    pub about: Json,
}

/// A request that waits for scores.
pub struct Waiting(oneshot::Sender<Scores<Vec<ScoredText>>>);

impl Asker for Waiting {
    fn is_waiting(&self) -> bool {
        !self.0.is_closed()
    }

    fn answer(self, scores: Scores<Vec<ScoredText>>) {
        let _ = self.0.send(scores); // nobody waits any more
    }
}

pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/score", post(score))
        .route("/reward", post(reward))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(service.clone(), measure))
        .with_state(service)
}

async fn measure(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = match request.uri().path() {
        "/score" => "/score",
        "/reward" => "/reward",
        "/health" => "/health",
        "/metrics" => "/metrics",
        _ => "other",
    };
    let response = next.run(request).await;
    service.metrics.request(path, response.status().as_u16(), begun.elapsed());
    response
}

async fn unknown(uri: Uri) -> Refusal {
    let what = format!("there is no {}; there are /score, /reward, /health and /metrics", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, what)
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

async fn health(State(service): State<Arc<Service>>) -> impl IntoResponse {
    answer(service.about.to_string())
}

async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let text = service.metrics.text(service.queue.waiting());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// One text, or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToScore {
    text: Option<String>,
    texts: Option<Vec<String>>,
}

/// Each vector is the line of JSON that `valuenet infer` writes.
async fn score(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let (texts, is_one) = match read(&head.headers, body, &service.limits).await? {
        ToScore { text: Some(text), texts: None } => (vec![text], true),
        ToScore { text: None, texts: Some(texts) } => (texts, false),
        _ => return Err(unfit("either \"text\" or \"texts\" is needed")),
    };
    let rows = service.scores(texts).await?;
    let lines: Vec<String> = rows.iter().map(profiles::json).collect::<Scores<_>>().map_err(failed)?;
    let json = if is_one { lines.concat() } else { format!("{{\"results\":[{}]}}", lines.join(",")) };
    Ok(answer(json).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToReward {
    persona: Vec<String>,
    utterances: Vec<String>,
    #[serde(default = "gamma")]
    gamma: f64,
    #[serde(default)]
    literal: bool,
}

fn gamma() -> f64 {
    GAMMA
}

async fn reward(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let asked: ToReward = read(&head.headers, body, &service.limits).await?;
    if !(0.0..=1.0).contains(&asked.gamma) {
        return Err(unfit("\"gamma\" is a number from 0 to 1"));
    }
    for (name, texts) in [("persona", &asked.persona), ("utterances", &asked.utterances)] {
        match texts.iter().position(|text| text.trim().is_empty()) {
            _ if texts.is_empty() => return Err(unfit(format!("\"{name}\" is empty"))),
            Some(place) => return Err(unfit(format!("text {} of \"{name}\" is blank", place + 1))),
            None => {}
        }
    }
    let texts = asked.persona.iter().chain(&asked.utterances).cloned().collect();
    let rows = service.scores(texts).await?;
    let vectors: Vec<Profile> = rows.into_iter().map(|row| row.profile.unwrap_or_default()).collect();
    let (persona, utterances) = vectors.split_at(asked.persona.len());
    let settings =
        Settings { gamma: asked.gamma, form: if asked.literal { Form::Literal } else { Form::Bounded } };
    let reward = Reward::of(persona, utterances, settings.gamma, settings.form);
    let json = rewards::json(&asked.persona, &asked.utterances, &reward, settings).map_err(failed)?;
    Ok(answer(json.to_string()).into_response())
}

impl Service {
    /// The vectors of texts, scored together with others' texts.
    async fn scores(&self, texts: Vec<String>) -> Result<Vec<ScoredText>, Refusal> {
        if texts.len() > self.limits.texts {
            let what = format!("{} texts, and at most {} are taken at once", texts.len(), self.limits.texts);
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what));
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (waiting, scores) = oneshot::channel();
        let busy = |what: &str| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what);
        self.queue.push(texts, Waiting(waiting)).map_err(|refused| match refused {
            Refused::Full => busy("too many texts wait to be scored"),
            Refused::Closed => busy("the service is about to end"),
        })?;
        match timeout(self.limits.answer, scores).await {
            Ok(Ok(scores)) => scores.map_err(failed),
            Ok(Err(_)) => Err(busy("the service is about to end")),
            Err(_) => {
                let time = humantime::format_duration(self.limits.answer);
                Err(busy(&format!("the texts were not scored within {time}")))
            }
        }
    }
}

fn unfit(what: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, what)
}

fn failed(error: valuenet::error::Error) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}
