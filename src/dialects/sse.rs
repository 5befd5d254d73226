//! Server-sent events, the reading side, as the WHATWG HTML standard parses them: CR, LF and CRLF, comments, a BOM,
//! data over several lines. Bytes may be split anywhere. Linear in the bytes read, no copy for lines within one read,
//! at most one line and one event of [`MAX_BYTES`] held. It does not reconnect, so `id` and `retry` are read past.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line, and most data of one event, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A line or an event is longer than [`MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than {MAX_BYTES} bytes")]
pub struct TooLong;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The value of `event:`, where there was one.
    pub event: Option<Bytes>,
    /// The data; lines joined by LF.
    pub data: Bytes,
}

/// Takes reads, gives events. An event without its closing blank line is not one.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What is left of the last read.
    read: Bytes,
    /// The start of a line whose end has not come yet.
    carry: BytesMut,
    /// The last line ended in CR, so a LF right after it belongs to that end.
    after_cr: bool,
    /// A first line was seen; only before it may a BOM stand.
    begun: bool,
    event: Option<Bytes>,
    data: Data,
}

/// The data of the event under way.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    /// One line: a slice of the read it came in.
    One(Bytes),
    Many(BytesMut),
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands over the next bytes. Call [`Decoder::next_frame`] until it has no more before the next read.
    pub fn push(&mut self, read: Bytes) {
        if self.read.is_empty() {
            self.read = read;
        } else {
            // Off the usual path: the caller did not drain.
            let mut both = BytesMut::from(std::mem::take(&mut self.read));
            both.extend_from_slice(&read);
            self.read = both.freeze();
        }
    }

    /// The next whole event, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`TooLong`]; the stream is of no use after it.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, TooLong> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(frame) = self.dispatch() {
                    return Ok(Some(frame));
                }
            } else {
                self.take_line(&line)?;
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        if self.after_cr && !self.read.is_empty() {
            self.after_cr = false;
            if self.read[0] == b'\n' {
                self.read.advance(1);
            }
        }
        let Some(end) = memchr::memchr2(b'\r', b'\n', &self.read) else {
            if self.carry.len() + self.read.len() > MAX_BYTES {
                return Err(TooLong);
            }
            self.carry.extend_from_slice(&self.read);
            self.read.clear();
            return Ok(None);
        };
        if self.carry.len() + end > MAX_BYTES {
            return Err(TooLong);
        }
        let rest = self.read.split_to(end);
        self.after_cr = self.read[0] == b'\r';
        self.read.advance(1);
        let mut line = if self.carry.is_empty() {
            rest
        } else {
            self.carry.extend_from_slice(&rest);
            self.carry.split().freeze()
        };
        if !self.begun {
            self.begun = true;
            if line.starts_with(b"\xef\xbb\xbf") {
                line.advance(3);
            }
        }
        Ok(Some(line))
    }

    fn take_line(&mut self, line: &Bytes) -> Result<(), TooLong> {
        let colon = memchr::memchr(b':', line);
        let field = &line[..colon.unwrap_or(line.len())];
        let value = colon.map_or(line.len(), |at| at + 1 + usize::from(line.get(at + 1) == Some(&b' ')));
        match field {
            b"data" => self.add_data(line.slice(value..)),
            b"event" => {
                self.event = Some(line.slice(value..));
                Ok(())
            }
            // Comments (an empty name), `id`, `retry` and names we do not know.
            _ => Ok(()),
        }
    }

    fn add_data(&mut self, line: Bytes) -> Result<(), TooLong> {
        let mut many = match std::mem::take(&mut self.data) {
            Data::None => {
                self.data = Data::One(line);
                return Ok(());
            }
            Data::One(first) => BytesMut::from(first),
            Data::Many(many) => many,
        };
        if many.len() + 1 + line.len() > MAX_BYTES {
            return Err(TooLong);
        }
        many.extend_from_slice(b"\n");
        many.extend_from_slice(&line);
        self.data = Data::Many(many);
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Frame> {
        let event = self.event.take().filter(|name| !name.is_empty());
        match std::mem::take(&mut self.data) {
            Data::None => None,
            Data::One(data) => Some(Frame { event, data }),
            Data::Many(data) => Some(Frame { event, data: data.freeze() }),
        }
    }
}

#[cfg(test)]
mod tests;
