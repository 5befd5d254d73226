//! What is logged while a test works.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Keeps what is written; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log lines of `work`, as text.
pub(crate) fn logged(work: impl FnOnce()) -> String {
    let page = Page::default();
    let pages = page.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || pages.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    page.text()
}
