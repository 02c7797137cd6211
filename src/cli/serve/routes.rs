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
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use tokio::time::timeout;
use valuenet::data::dialogue::{Dialogue, Vector};
use valuenet::error::Result as Scores;
use valuenet::infer::queue::{Asker, Queue, Refused};
use valuenet::report::profiles::{self, foreign::named};
use valuenet::value::ScoredText;

use super::Limits;
use super::admission::Admission;
use super::body::{Refusal, answer, read};
use super::metrics::{CONTENT_TYPE, Metrics};
use super::reward::{Asked, Dialogues, Request as ToReward, rewards, without_gamma};

/// What all requests share.
pub struct Service {
    pub queue: Queue<Waiting>,
    pub metrics: Metrics,
    pub limits: Limits,
    pub admission: Admission,
    /// Whether the model gives classes probabilities.
    pub has_probabilities: bool,
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
        .route("/values", post(values))
        .route("/openapi.json", get(openapi))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(service.clone(), admit))
        .layer(from_fn_with_state(service.clone(), measure)) // around the other
        .with_state(service)
}

async fn measure(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = match request.uri().path() {
        "/score" => "/score",
        "/reward" => "/reward",
        "/values" => "/values",
        "/openapi.json" => "/openapi.json",
        "/health" => "/health",
        "/metrics" => "/metrics",
        _ => "other",
    };
    let response = next.run(request).await;
    service.metrics.request(path, response.status().as_u16(), begun.elapsed());
    response
}

/// Lets a request in, or refuses it.
async fn admit(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    service.admission.check(request.headers(), request.uri())?;
    Ok(next.run(request).await)
}

async fn unknown(uri: Uri) -> Refusal {
    let what = format!(
        "there is no {}; there are /score, /reward, /values, /openapi.json, /health and /metrics",
        uri.path()
    );
    Refusal::new(StatusCode::NOT_FOUND, what)
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

async fn health(State(service): State<Arc<Service>>) -> impl IntoResponse {
    answer(service.about.to_string())
}

/// What the service takes and gives, for programs that make clients of it.
async fn openapi() -> impl IntoResponse {
    answer(include_str!("openapi.json").replacen("VERSION", env!("CARGO_PKG_VERSION"), 1))
}

async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let text = service.metrics.text(service.queue.waiting());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

/// One text, or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToScore {
    text: Option<String>,
    texts: Option<Vec<String>>,
    /// Whether the probabilities of classes are wanted too.
    #[serde(default)]
    probabilities: bool,
}

/// Each vector is the line of JSON that `valuenet infer` writes.
async fn score(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let asked: ToScore = read(&head.headers, body, &service.limits).await?;
    let probabilities = asked.probabilities;
    if probabilities && !service.has_probabilities {
        return Err(unfit("the model gives classes no probabilities, as a regression does not"));
    }
    let (texts, is_one) = match (asked.text, asked.texts) {
        (Some(text), None) => (vec![text], true),
        (None, Some(texts)) => (texts, false),
        _ => return Err(unfit("either \"text\" or \"texts\" is needed")),
    };
    let rows = service.scores(texts).await?;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| profiles::json(row, probabilities))
        .collect::<Scores<_>>()
        .map_err(failed)?;
    let json =
        if is_one { lines.concat() } else { format!("{{\"results\":[{}]}}", lines.join(",")) };
    Ok(answer(json).into_response())
}

/// A document, as pyvalues' remote classifier sends it.
#[derive(Deserialize)]
struct Document {
    segments: Vec<String>,
}

/// How far each segment attains and constrains each value, as pyvalues' remote classifier reads it.
async fn values(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let Document { segments } = read(&head.headers, body, &service.limits).await?;
    let rows = service.scores(segments).await?;
    let scores = |(attained, constrained): (f64, f64)| json!({"attained": attained, "constrained": constrained});
    let segment = |row: &ScoredText| -> serde_json::Map<String, Json> {
        named(row).map(|(name, both)| (name.to_string(), scores(both))).collect()
    };
    let values: Vec<_> = rows.iter().map(segment).collect();
    Ok(answer(json!({"values": values}).to_string()).into_response())
}

/// Each reward is what `valuenet reward --format jsonl` writes, but for the places in a file.
async fn reward(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let asked: Asked = read(&head.headers, body, &service.limits).await.map_err(without_gamma)?;
    let ToReward { dialogues, settings, is_list } = ToReward::try_from(asked).map_err(unfit)?;
    let rewards = match dialogues {
        Dialogues::Texts(dialogues) => {
            let vectors = service.vectors(&dialogues).await?;
            rewards(&dialogues, vectors, settings)
        }
        Dialogues::Vectors(dialogues) => {
            service.check_count(dialogues.iter().flat_map(Dialogue::all).count(), "vectors")?;
            rewards(&dialogues, dialogues.clone(), settings)
        }
    };
    let one = || rewards.iter().map(Json::to_string).collect();
    let json = if is_list { json!({"results": rewards}).to_string() } else { one() };
    Ok(answer(json).into_response())
}

impl Service {
    fn check_count(&self, count: usize, what: &str) -> Result<(), Refusal> {
        if count <= self.limits.texts {
            return Ok(());
        }
        let what = format!("{count} {what}, and at most {} are taken at once", self.limits.texts);
        Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what))
    }

    /// Dialogues with vectors in place of their texts.
    async fn vectors(&self, dialogues: &[Dialogue]) -> Result<Vec<Dialogue<Vector>>, Refusal> {
        let rows = self.scores(dialogues.iter().flat_map(Dialogue::all).cloned().collect()).await?;
        let mut vectors =
            rows.into_iter().map(|row| row.profile.unwrap_or_default().map(f64::from).to_vec());
        // As many as there are sentences, in their order.
        let mut next = |_: &String| vectors.next().unwrap_or_default();
        Ok(dialogues.iter().map(|dialogue| dialogue.map(&mut next)).collect())
    }

    /// The vectors of texts, scored together with others' texts.
    async fn scores(&self, texts: Vec<String>) -> Result<Vec<ScoredText>, Refusal> {
        self.check_count(texts.len(), "texts")?;
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
