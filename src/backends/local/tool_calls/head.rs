//! The beginning of a tool call in JSON, read from text that may not be whole yet: up to where the arguments begin.

/// What the text so far says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The value of the arguments begins at `at`.
    Named { name: String, at: usize },
    /// The call's object begins at `at` and has to be read as a whole: its fields come in another order or form.
    Whole { at: usize },
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// The text ends too early to tell.
    More,
    /// This is no call.
    No,
}

/// Reads a head from the beginning of `text`: `[`, which may be missing, and an object with `name` and arguments.
pub(super) fn read(text: &str) -> Result<Head, Miss> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.blanks();
    if cursor.peek()? == b'[' {
        cursor.at += 1;
        cursor.blanks();
    }
    let at = cursor.at;
    cursor.expect(b'{')?;
    let mut name = None;
    loop {
        let key = cursor.key()?;
        match (key, name.take(), cursor.peek()?) {
            ("name" | "function", None, b'"') => name = Some(cursor.string()?.to_owned()),
            ("arguments" | "parameters", Some(name), b'{') => return Ok(Head::Named { name, at: cursor.at }),
            _ => return Ok(Head::Whole { at }),
        }
        cursor.blanks();
        match cursor.peek()? {
            b',' => cursor.at += 1,
            _ => return Ok(Head::Whole { at }),
        }
    }
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn peek(&self) -> Result<u8, Miss> {
        self.text.as_bytes().get(self.at).copied().ok_or(Miss::More)
    }

    fn blanks(&mut self) {
        while self.peek().is_ok_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Miss> {
        if self.peek()? != wanted {
            return Err(Miss::No);
        }
        self.at += 1;
        Ok(())
    }

    /// A field's name, and on to its value.
    fn key(&mut self) -> Result<&'t str, Miss> {
        self.blanks();
        let key = self.string()?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok(key)
    }

    /// A string without escapes, which no name needs.
    fn string(&mut self) -> Result<&'t str, Miss> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let end = rest.find(['"', '\\']).ok_or(Miss::More)?;
        if rest.as_bytes()[end] == b'\\' {
            return Err(Miss::No);
        }
        self.at += end + 1;
        Ok(&rest[..end])
    }
}

/// Finds the end of a JSON object in text that comes in pieces. Does not judge what is between the brackets.
#[derive(Debug, Default)]
pub(super) struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// A scan that begins inside of an object.
    pub(super) fn inside() -> Self {
        Self { depth: 1, ..Self::default() }
    }

    /// Takes the next piece; where the object ends in it, the byte behind its last bracket.
    pub(super) fn push(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                (self.in_string, self.escaped) = match (byte, self.escaped) {
                    (_, true) => (true, false),
                    (b'\\', false) => (true, true),
                    (byte, false) => (byte != b'"', false),
                };
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            if self.depth == 0 && byte != b'"' {
                return Some(at + 1);
            }
        }
        None
    }
}
