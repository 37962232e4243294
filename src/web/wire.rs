//! The wire of one connection: what is written to it has to be taken ([`Patient`], beneath TLS), and every error on it
//! has our form ([`Wire`], above it).
//!
//! In:    the socket; what hyper writes.
//! Out:   the same bytes. Where hyper itself refuses a request that it can not read, it writes a head without a body
//!        and asks nobody: that one is replaced by our `{"error"}`.
//! Holds: a client that takes less than [`LEAST`] bytes in [`STALL`] while something waits for it loses its
//!        connection. Uploads and idle connections are not concerned: nothing waits for them to take.

use super::fault::Fault;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use hyper::body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How long a client may take next to nothing of what waits for it.
const STALL: Duration = Duration::from_secs(20);
/// Bytes that are more than next to nothing in that time.
const LEAST: usize = 4096;
/// A head of hyper's own is shorter.
const BARE_MAX: usize = 256;

/// How many requests of a connection are being answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<AtomicUsize>);

impl Busy {
    /// Counts one, until the result is dropped.
    pub(super) fn one(&self) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Is something being answered?
    pub(super) fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Busy);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that counts as being answered until hyper has done with it.
pub(super) struct Counted {
    pub(super) body: Body,
    pub(super) _answering: Answering,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The client takes nothing.
struct Blocked {
    /// When patience ends.
    until: Pin<Box<Sleep>>,
    /// What was taken since the last look.
    taken: usize,
}

/// A socket with patience, but not without end.
pub(super) struct Patient {
    stream: TcpStream,
    blocked: Option<Blocked>,
}

impl Patient {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            blocked: None,
        }
    }

    /// Nothing is taken now: is there still patience?
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let blocked = self.blocked.get_or_insert_with(|| Blocked {
            until: Box::pin(tokio::time::sleep(STALL)),
            taken: 0,
        });
        while blocked.until.as_mut().poll(cx).is_ready() {
            if blocked.taken < LEAST {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            blocked.taken = 0;
            blocked.until.as_mut().reset(Instant::now() + STALL);
        }
        Poll::Pending
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    /// Writes, and counts what is taken.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(result) => {
                if let (Some(blocked), Ok(n)) = (&mut self.blocked, &result) {
                    blocked.taken += n;
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper, and TLS above us, flush when all they had was written: whatever the client waited for, it has taken.
        self.blocked = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// One connection as hyper has it, plain or within TLS.
pub(super) struct Wire<S> {
    stream: S,
    busy: Busy,
    /// Of our own, ahead of what hyper writes.
    own: Vec<u8>,
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, busy: Busy) -> Self {
        Self {
            stream,
            busy,
            own: Vec::new(),
        }
    }

    fn push_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.own))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.push_own(cx))?;
        if !self.busy.is_busy()
            && let Some(status) = bare_error(buf)
        {
            self.own = in_our_form(status);
            // What does not fit now goes with the flush that follows.
            if let Poll::Ready(Err(error)) = self.push_own(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push_own(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push_own(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The status of a head that hyper wrote by itself: an error without a body and without the headers that every
/// answer of ours carries.
fn bare_error(bytes: &[u8]) -> Option<StatusCode> {
    if bytes.len() > BARE_MAX || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let status = head.strip_prefix("HTTP/1.1 4")?.get(..2)?;
    let bare =
        head.contains("\r\ncontent-length: 0\r\n") && !head.contains("content-security-policy");
    let status = StatusCode::from_bytes(format!("4{status}").as_bytes()).ok()?;
    bare.then_some(status)
}

fn in_our_form(status: StatusCode) -> Vec<u8> {
    let body = Fault::of_status(status).body();
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_error_of_the_library_is_known_and_ours_is_not() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(
            bare_error(bare),
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        );
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ncontent-security-policy: x\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\n",
            b"G1 X1\r\n\r\n",
        ] {
            assert_eq!(bare_error(other), None);
        }
        let ours = String::from_utf8(in_our_form(StatusCode::BAD_REQUEST)).unwrap();
        assert!(ours.contains("{\"error\":{\"code\":"), "{ours}");
    }
}
