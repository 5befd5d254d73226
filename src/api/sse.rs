//! An answer as server-sent events. What is ready leaves in one write, at once; silence is broken by comments;
//! a failure is one error event and no `[DONE]`, so that a broken answer never looks complete.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::refusal::Refusal;
use crate::chat::Chunk;
use crate::dialects::openai_chat::{Header, frames};
use crate::pipeline::Answer;

/// Bytes after which a write leaves even while more is ready.
const WRITE_BYTES: usize = 16 * 1024;

/// The body of a streamed answer.
pub(super) fn body(answer: Answer, header: Header, include_usage: bool, heartbeat: Duration) -> Body {
    Body::from_stream(Events {
        answer: Some(answer),
        header,
        include_usage,
        heartbeat,
        last_write: Instant::now(),
        alarm: Box::pin(tokio::time::sleep(heartbeat)),
    })
}

struct Events {
    /// `None` once the stream has ended.
    answer: Option<Answer>,
    header: Header,
    include_usage: bool,
    heartbeat: Duration,
    last_write: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Stream for Events {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut out = BytesMut::new();
        while let Some(answer) = &mut this.answer {
            match Pin::new(answer).poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => {
                    write_chunk(&mut out, &chunk, &this.header, this.include_usage);
                }
                Poll::Ready(Some(Err(error))) => {
                    write_event(&mut out, &Refusal::backend(&error).body());
                    this.answer = None;
                }
                Poll::Ready(None) => {
                    write_event(&mut out, b"[DONE]");
                    this.answer = None;
                }
                Poll::Pending => break,
            }
            if out.len() >= WRITE_BYTES {
                break;
            }
        }
        if !out.is_empty() {
            this.last_write = Instant::now();
            return Poll::Ready(Some(Ok(out.freeze())));
        }
        if this.answer.is_none() {
            return Poll::Ready(None);
        }
        this.poll_heartbeat(context)
    }
}

impl Events {
    fn poll_heartbeat(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, std::convert::Infallible>>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let due = self.last_write + self.heartbeat;
            let now = Instant::now();
            if now >= due {
                self.last_write = now;
                self.alarm.as_mut().reset(now + self.heartbeat);
                return Poll::Ready(Some(Ok(Bytes::from_static(b": keep-alive\n\n"))));
            }
            self.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }
}

fn write_chunk(out: &mut BytesMut, chunk: &Chunk, header: &Header, include_usage: bool) {
    if chunk.hidden {
        return;
    }
    if let Some(raw) = &chunk.raw {
        return write_event(out, raw);
    }
    for json in frames(header, chunk, include_usage) {
        write_event(out, &json);
    }
}

fn write_event(out: &mut BytesMut, data: &[u8]) {
    out.reserve(data.len() + 8);
    out.put_slice(b"data: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
}
