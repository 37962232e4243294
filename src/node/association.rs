//! Association: one caller, from its request to its end.

use super::arrivals::Arrivals;
use super::dimse::{self, COMMAND_BYTES_MAX, Request, Status};
use super::instance::{Incoming, Way};
use super::negotiate::{self, Agreed, Rejection};
use super::pdu::{self, Fragment, Patience, Pdu, PduFault};
use super::stream::Stream;
use super::{Setup, plain};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An answer is taken within this time.
const WRITE: Duration = Duration::from_secs(30);

/// How an association ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// A caller that is not let in.
    #[error("rejected: {0}")]
    Rejected(#[from] Rejection),
    /// The protocol was broken, or a wait was too long.
    #[error("aborted: {0}")]
    Broken(#[from] PduFault),
    /// A bound was passed.
    #[error("aborted: {0}")]
    TooMuch(&'static str),
    /// The caller gave up.
    #[error("the caller aborted")]
    CallerAborted,
    /// The caller closed without a word.
    #[error("the caller closed the connection")]
    Closed,
    /// As it should be.
    #[error("released")]
    Released,
}

/// What was taken, and what was not, by the reason that the caller was told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) echoes: u64,
    pub(super) refused: BTreeMap<&'static str, u64>,
}

/// One caller.
pub(super) struct Association<'a> {
    pub(super) setup: &'a Setup,
    pub(super) arrivals: &'a Arrivals,
    pub(super) address: IpAddr,
    /// One more than may be served at one time: it is told so.
    pub(super) is_one_too_many: bool,
    pub(super) is_over: &'a dyn Fn() -> bool,
    pub(super) calling: String,
    pub(super) tally: Tally,
}

/// What is being received.
#[derive(Default)]
struct Message<'a> {
    /// Context and bytes of a command that is not whole yet.
    command: Option<(u8, Vec<u8>)>,
    /// The data set that follows a command: its context, the command, and where it goes (`None`: nowhere).
    data: Option<(u8, Request, Option<Incoming<'a>>)>,
}

impl<'a> Association<'a> {
    /// Serves it to its end. What is sent back to a caller that broke the protocol is sent here, too.
    pub(super) fn serve(&mut self, stream: &mut Stream) -> End {
        let ended = match self.run(stream) {
            Ok(end) | Err(end) => end,
        };
        let bytes = match &ended {
            End::Rejected(why) => pdu::reject(*why),
            End::Broken(fault) => pdu::abort(fault),
            End::TooMuch(_) => pdu::abort(&PduFault::Garbled),
            End::CallerAborted | End::Closed | End::Released => return ended,
        };
        // A caller that is gone hears nothing.
        let _ = stream.write(&bytes, Instant::now() + WRITE);
        ended
    }

    fn run(&mut self, stream: &mut Stream) -> Result<End, End> {
        let began = Instant::now();
        let limits = &self.setup.limits;
        let mut buffer = Vec::new();
        let by = began + limits.request;
        let patience = Patience {
            first: by,
            whole: limits.request,
            last: by,
        };
        let first = pdu::read(stream, &mut buffer, patience, self.is_over)?;
        let request = match first {
            None => return Ok(End::Closed),
            Some(Pdu::Request(request)) => request,
            Some(Pdu::Abort) => return Ok(End::CallerAborted),
            Some(Pdu::Data) => return Err(PduFault::Unexpected(4).into()),
            Some(Pdu::ReleaseRequest) => return Err(PduFault::Unexpected(5).into()),
        };
        self.calling = printable(&request.calling_ae_title);
        if self.is_one_too_many {
            return Err(Rejection::Congestion.into());
        }
        let callers = &self.setup.callers;
        let answer = negotiate::answer(&request, &self.setup.aet, callers, self.address);
        let (agreed, accepted) = answer?;
        stream
            .write(&pdu::accept(accepted)?, Instant::now() + WRITE)
            .map_err(PduFault::from)?;
        let mut message = Message::default();
        loop {
            if stream.heard > limits.association_bytes {
                return Err(End::TooMuch("more bytes than one association may send"));
            }
            let whole = (message.data.as_ref())
                .and_then(|(_, _, incoming)| incoming.as_ref())
                .map_or(began + limits.association, |incoming| incoming.by);
            let now = Instant::now();
            if now >= whole {
                return Err(End::TooMuch("it took too long"));
            }
            let patience = Patience {
                first: (now + limits.idle).min(whole),
                whole: limits.pdu,
                last: whole,
            };
            match pdu::read(stream, &mut buffer, patience, self.is_over)? {
                None => return Ok(End::Closed),
                Some(Pdu::Abort) => return Ok(End::CallerAborted),
                Some(Pdu::Request(_)) => return Err(PduFault::Unexpected(1).into()),
                Some(Pdu::ReleaseRequest) => {
                    stream
                        .write(&pdu::RELEASED, Instant::now() + WRITE)
                        .map_err(PduFault::from)?;
                    return Ok(End::Released);
                }
                Some(Pdu::Data) => {
                    for fragment in pdu::fragments(&buffer) {
                        self.take(stream, &agreed, &mut message, &fragment?)?;
                    }
                }
            }
        }
    }

    fn take(
        &mut self,
        stream: &mut Stream,
        agreed: &Agreed,
        message: &mut Message<'a>,
        fragment: &Fragment<'_>,
    ) -> Result<(), End> {
        if !agreed.contexts.contains_key(&fragment.context) {
            return Err(PduFault::Garbled.into());
        }
        if fragment.is_command {
            self.command(stream, agreed, message, fragment)
        } else {
            self.data(stream, message, fragment)
        }
    }

    /// A piece of a command; it may come in several.
    fn command(
        &mut self,
        stream: &mut Stream,
        agreed: &Agreed,
        message: &mut Message<'a>,
        fragment: &Fragment<'_>,
    ) -> Result<(), End> {
        let (context, mut bytes) =
            (message.command.take()).unwrap_or((fragment.context, Vec::new()));
        let fits = bytes.len() + fragment.bytes.len() <= COMMAND_BYTES_MAX;
        if message.data.is_some() || context != fragment.context || !fits {
            return Err(PduFault::Garbled.into());
        }
        bytes.extend_from_slice(fragment.bytes);
        if !fragment.is_last {
            message.command = Some((context, bytes));
            return Ok(());
        }
        let request = dimse::read(&bytes).ok_or(PduFault::Garbled)?;
        match &request {
            Request::Cancel => Ok(()),
            Request::Echo { .. } => {
                self.tally.echoes += 1;
                answer(stream, context, &request, Status::Success, "")
            }
            Request::Store {
                class, instance, ..
            } => {
                let agreed = &agreed.contexts[&context];
                let way = Way {
                    from: self.calling.clone(),
                    address: format!("dicom://{}", host(self.address)),
                    to: self.setup.aet.clone(),
                };
                let named = (&**class, &**instance);
                let limits = &self.setup.limits;
                let incoming = Incoming::begin(self.arrivals, agreed, named, &way, limits);
                message.data = Some((context, request, Some(incoming)));
                Ok(())
            }
            Request::Other { has_data: true, .. } => {
                message.data = Some((context, request, None));
                Ok(())
            }
            Request::Other { .. } => self.not_done(stream, context, &request),
        }
    }

    fn not_done(&mut self, stream: &mut Stream, context: u8, request: &Request) -> Result<(), End> {
        let why = "nothing but C-ECHO and C-STORE is done here";
        *self.tally.refused.entry(why).or_default() += 1;
        answer(stream, context, request, Status::UnrecognizedOperation, why)
    }

    /// A piece of a data set.
    fn data(
        &mut self,
        stream: &mut Stream,
        message: &mut Message<'a>,
        fragment: &Fragment<'_>,
    ) -> Result<(), End> {
        let Some((context, _, incoming)) = &mut message.data else {
            return Err(PduFault::Garbled.into());
        };
        if *context != fragment.context {
            return Err(PduFault::Garbled.into());
        }
        if let Some(incoming) = incoming
            && !incoming.write(fragment.bytes)
        {
            return Err(End::TooMuch(
                "an instance is larger than any of its class may be",
            ));
        }
        if !fragment.is_last {
            return Ok(());
        }
        let Some((context, request, incoming)) = message.data.take() else {
            return Ok(());
        };
        let Some(incoming) = incoming else {
            return self.not_done(stream, context, &request);
        };
        match incoming.end() {
            Ok(()) => {
                self.tally.stored += 1;
                answer(stream, context, &request, Status::Success, "")
            }
            Err((status, why)) => {
                *self.tally.refused.entry(why).or_default() += 1;
                answer(stream, context, &request, status, why)
            }
        }
    }
}

fn answer(
    stream: &mut Stream,
    context: u8,
    request: &Request,
    status: Status,
    why: &str,
) -> Result<(), End> {
    let set = dimse::answer(request, status, why);
    let bytes = pdu::command(context, &set);
    stream
        .write(&bytes, Instant::now() + WRITE)
        .map_err(|e| PduFault::from(e).into())
}

/// An AE title as it may stand in a log.
fn printable(aet: &str) -> String {
    let kept = aet.chars().filter(|c| matches!(c, ' '..='~'));
    kept.take(16).collect()
}

/// An address as it stands in a URI.
fn host(address: IpAddr) -> String {
    match plain(address) {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("[{six}]"),
    }
}
