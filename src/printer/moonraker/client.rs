//! Client: the connections to Moonraker.
//!
//! In:    [`Ask`]s, from the link's loop, which never waits here.
//! Out:   for each of them one answer, within its limit.
//! Holds: questions follow one another on one connection; every order has a thread and a connection of its own, so that an
//!        emergency stop waits for no upload and no question. Names are looked up within the limit, too.

use super::api::{Answer, Ask, Request, Trouble};
use super::http::{self, Call};
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

/// Longest answer that is read, but for a file.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// A file and a little: one that is longer is another one.
const FILE_BYTES_MAX: u64 = super::super::program::FILE_BYTES_MAX + 1;

/// How it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `HOST:PORT`.
    pub host: String,
    /// Moonraker's API key; empty: none.
    pub key: String,
}

/// Without the key.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("host", &self.host)
            .field("key", &!self.key.is_empty())
            .finish()
    }
}

/// Who asks, as long as the process lives.
pub struct Client {
    address: Arc<Address>,
    questions: Sender<Ask>,
    tell: Tell,
}

/// What is told of an answer: the request's id, and what came.
type Tell = Arc<dyn Fn(u64, Result<Answer, Trouble>) + Send + Sync>;

impl Client {
    /// `tell` is called from other threads.
    pub fn new(
        address: Address,
        tell: impl Fn(u64, Result<Answer, Trouble>) + Send + Sync + 'static,
    ) -> Self {
        let (questions, asked) = channel::<Ask>();
        let (address, tell): (_, Tell) = (Arc::new(address), Arc::new(tell));
        let (to, told) = (Arc::clone(&address), Arc::clone(&tell));
        std::thread::spawn(move || {
            let agent = agent();
            for ask in asked {
                told(ask.id, carry(&agent, &to, &ask.what));
            }
        });
        Self {
            address,
            questions,
            tell,
        }
    }

    /// Asks, and returns at once.
    pub fn ask(&self, ask: Ask) {
        if ask.what.is_question() {
            // The thread ends with us.
            let _ = self.questions.send(ask);
            return;
        }
        let (to, tell) = (Arc::clone(&self.address), Arc::clone(&self.tell));
        std::thread::spawn(move || tell(ask.id, carry(&agent(), &to, &ask.what)));
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .into()
}

/// One request and its answer.
fn carry(agent: &ureq::Agent, to: &Address, what: &Request) -> Result<Answer, Trouble> {
    let Call {
        method,
        target,
        content_type,
        body,
    } = http::call(what);
    let url = format!("http://{}{target}", to.host);
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if !to.key.is_empty() {
        request = request.header("X-Api-Key", &to.key);
    }
    if !content_type.is_empty() {
        request = request.header("Content-Type", content_type);
    }
    let request = request
        .body(body)
        .map_err(|e| Trouble::Unreachable(e.to_string()))?;
    let request = agent
        .configure_request(request)
        .timeout_global(Some(what.limit()))
        .build();
    let mut response = agent.run(request).map_err(trouble)?;
    let status = response.status().as_u16();
    let limit = match what {
        Request::ReadBack(_) => FILE_BYTES_MAX,
        _ => ANSWER_BYTES_MAX,
    };
    let mut bytes = Vec::new();
    let mut reader = response.body_mut().with_config().limit(limit).reader();
    reader
        .read_to_end(&mut bytes)
        .map_err(|e| Trouble::Unreachable(e.to_string()))?;
    http::answer(what, status, &bytes)
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Timeout(_) => Trouble::Late,
        other => Trouble::Unreachable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_no_log() {
        let address = Address {
            host: "voron:7125".into(),
            key: "b0a1".into(),
        };
        let said = format!("{address:?}");
        assert!(said.contains("voron") && !said.contains("b0a1"), "{said}");
    }
}
