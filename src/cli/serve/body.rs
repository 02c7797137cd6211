//! Bodies of requests: read in time and within bounds, parsed, or refused in words.

use std::pin::Pin;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::json;
use tokio::time::timeout;

use super::Limits;

/// How much of a body that is too large is read before the refusal: clients that send all before
/// they listen would not see it otherwise.
const READ_IN_VAIN: usize = 64 << 20;

/// Why a request gets no result.
pub struct Refusal {
    pub status: StatusCode,
    pub what: String,
}

impl Refusal {
    pub fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self { status, what: what.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        match self.status {
            StatusCode::REQUEST_TIMEOUT => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        (self.status, headers, answer(json!({"error": self.what}).to_string())).into_response()
    }
}

/// An answer in JSON.
pub fn answer(json: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], json + "\n")
}

/// Reads a body and parses it.
pub async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<T, Refusal> {
    let too_large = || {
        let what = format!("the body has more than {} bytes", limits.body);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what)
    };
    if headers.contains_key(header::EXPECT) && body.size_hint().lower() > limits.body as u64 {
        return Err(too_large()); // this client asks before it sends
    }
    let bytes = timeout(limits.read, collect(body, limits.body)).await.map_err(|_| {
        let what =
            format!("the body did not come within {}", humantime::format_duration(limits.read));
        Refusal::new(StatusCode::REQUEST_TIMEOUT, what)
    })?;
    match bytes {
        Ok(Some(bytes)) => parse(&bytes),
        Ok(None) => Err(too_large()),
        Err(error) => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")))
        }
    }
}

/// The body; none if it is larger than `most` bytes.
async fn collect(mut body: Body, most: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let (mut bytes, mut size) = (Vec::new(), 0);
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            size += data.len();
            if size <= most {
                bytes.extend_from_slice(&data);
            } else if size > READ_IN_VAIN {
                break;
            }
        }
    }
    Ok((size <= most).then_some(bytes))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let refused = |error: serde_json::Error| match error.classify() {
        Category::Data => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        _ => Refusal::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")),
    };
    match bytes.trim_ascii_start() {
        [] => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body is empty")),
        [b'{', ..] => serde_json::from_slice(bytes).map_err(refused),
        // serde would take an array for an object's fields in their order.
        _ => match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid type: the body is no object",
            )),
            Err(error) => Err(refused(error)),
        },
    }
}
