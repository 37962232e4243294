//! Errors, the same everywhere: `{"error":{"code","text","do"}}` and a fitting status.

use crate::status::Refused;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct Fault(pub(super) StatusCode, pub(super) Refused);

impl Fault {
    /// The request can not be meant.
    pub(super) fn bad(text: impl Into<String>, next: &str) -> Self {
        Self(
            StatusCode::BAD_REQUEST,
            Refused::new("bad_request", text, next),
        )
    }
    /// There is no such thing.
    pub(super) fn missing() -> Self {
        let refused = Refused::new(
            "not_found",
            "There is nothing here.",
            "Look at / for the list of cases.",
        );
        Self(StatusCode::NOT_FOUND, refused)
    }
    /// Too many at a time.
    pub(super) fn busy(text: &str) -> Self {
        let refused = Refused::new("busy", text, "Try again in a minute.");
        Self(StatusCode::SERVICE_UNAVAILABLE, refused)
    }
    /// No room on the disk.
    pub(super) fn disk_full() -> Self {
        let refused = Refused::new(
            "disk_full",
            "The station's disk is nearly full, so the upload was not taken.",
            "Ask IT to free space, then send it again.",
        );
        Self(StatusCode::INSUFFICIENT_STORAGE, refused)
    }
    /// What a library refused in words of its own: the same status, in our form.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let (code, text, next) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => (
                "too_large",
                "The body is too large for an act.",
                "Send the fields of the act only; scans go to /api/v1/drop.",
            ),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => (
                "too_large",
                "The address or the headers are too large.",
                "Send at most 100 headers and 64 KiB of them.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method",
                "That can not be done here.",
                "Use GET to look and POST to act.",
            ),
            _ => (
                "bad_request",
                "The request can not be read.",
                "Look at the address and the fields.",
            ),
        };
        Self(status, Refused::new(code, text, next))
    }
    /// Something broke here.
    pub(super) fn broken(text: &str) -> Self {
        Self(
            StatusCode::INTERNAL_SERVER_ERROR,
            Refused::new("broken", text, "Try again; tell IT if it stays."),
        )
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let status = match refused.code.as_str() {
            "no_job" | "no_setup" => StatusCode::NOT_FOUND,
            "wrong_pin" | "wrong_code" => StatusCode::UNAUTHORIZED,
            "locked" => StatusCode::TOO_MANY_REQUESTS,
            "weak_pin" | "bad_name" | "no_spool" | "no_reason" | "wrong_material"
            | "second_person" | "same_person" => StatusCode::UNPROCESSABLE_ENTITY,
            "nobody" | "no_right" | "needs_supervisor" => StatusCode::FORBIDDEN,
            "late" | "busy" | "updating" | "link_down" | "no_answer" | "stuck" | "not_known"
            | "store" | "printer_away" => StatusCode::SERVICE_UNAVAILABLE,
            // A state, a hash, a side that does not fit.
            _ => StatusCode::CONFLICT,
        };
        Self(status, refused)
    }
}

impl Fault {
    /// What goes out, as text.
    pub(super) fn body(&self) -> String {
        serde_json::json!({ "error": self.1 }).to_string()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (self.0, kind, self.body()).into_response()
    }
}

/// Too many connections: only the emergency stop is served.
pub(super) async fn crowded() -> Fault {
    Fault::busy("Too many connections to the station.")
}

/// Every address that nobody knows.
pub(super) async fn not_found() -> Fault {
    Fault::missing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_the_state_of_things_is_a_conflict() {
        let of = |code: &str| Fault::from(Refused::new(code, "x", "y")).0;
        for code in [
            "bed_not_clear",
            "wrong_side",
            "changed",
            "not_printing",
            "nothing_asked",
            "no_such_choice",
            "not_halted",
            "not_allowed",
        ] {
            assert_eq!(of(code), StatusCode::CONFLICT, "{code}");
        }
        assert_eq!(of("no_spool"), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(of("stuck"), StatusCode::SERVICE_UNAVAILABLE);
    }
}
