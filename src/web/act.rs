//! What every act comes with: when and from where it was heard, its id and deadline, and a body of JSON.

use super::fault::Fault;
use super::guard::Client;
use crate::status::{ActId, DEADLINE, DEADLINE_MAX, Terms};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The body of an act, a few hundred bytes, is here after this long.
const BODY_MAX: Duration = Duration::from_secs(5);

/// When the station heard of a request, before its body came, and from where.
pub(super) struct Heard {
    at: Instant,
    from: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Heard {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let from = parts.extensions.get::<Client>();
        Ok(Self {
            at: Instant::now(),
            from: from.map(|client| client.0),
        })
    }
}

impl Heard {
    /// The terms of an act, from its body's `id` and `deadline_s` (seconds from when it was heard; without it
    /// [`DEADLINE`], never more than [`DEADLINE_MAX`]).
    pub(super) fn terms(&self, id: Option<&str>, deadline_s: Option<f64>) -> Result<Terms, Fault> {
        let id = id.map(|id| {
            let next = "Write 1 to 64 of A-Z, a-z, 0-9, - and _.";
            ActId::new(id).ok_or_else(|| Fault::bad("The id can not be taken.", next))
        });
        let span = match deadline_s {
            None => DEADLINE,
            Some(s) if s.is_finite() && s >= 0.0 => {
                Duration::from_secs_f64(s.min(DEADLINE_MAX.as_secs_f64()))
            }
            Some(_) => {
                let next = "Write seconds, 0 or more.";
                return Err(Fault::bad("The deadline can not be taken.", next));
            }
        };
        Ok(Terms {
            id: id.transpose()?,
            begin_by: Some(self.at + span),
            from: self.from,
        })
    }
}

/// A body that says of itself that it is JSON: a foreign page can send none but forms without asking.
pub(super) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;
    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .is_some_and(|t| t.trim() == "application/json");
        if !json {
            let next = "Send Content-Type: application/json.";
            return Err(Fault::bad("The body is not JSON.", next).into_response());
        }
        let bytes = tokio::time::timeout(BODY_MAX, Bytes::from_request(request, state)).await;
        let Ok(bytes) = bytes else {
            // Its connection is closed with the answer: a hundred of them are all the places that there are.
            let next = "Send it with its head, then try again.";
            return Err(Fault::bad("The body did not come.", next).into_response());
        };
        bytes.map(Self).map_err(IntoResponse::into_response)
    }
}

impl Body {
    /// JSON of one shape.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        // Line and column only: the body holds a PIN.
        serde_json::from_slice(&self.0).map_err(|e| {
            let text = format!(
                "The body does not fit (line {}, column {}).",
                e.line(),
                e.column()
            );
            Fault::bad(text, "Send every field that the act needs, and no other.")
        })
    }
}
