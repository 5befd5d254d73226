//! The decoder graph with its cache: one run of it over a row, or over all rows at the front.
//! Promises: a graph that cannot run is found at load; a run can be ended from another thread.
//! Knows no text, no sampling and no requests.

mod pairs;
mod verify;

use std::path::Path;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use ort::session::{RunOptions, Session};

use super::LocalError;
use super::engine::BLOCK;
use super::file_pages::Opening;
use super::folder::Folder;
use super::kv::Kv;
use super::layout::{self, Layout};
use crate::onnx::{self, OnnxError, SessionSpec};

/// An open decoder.
pub(super) struct Graph {
    session: Session,
    /// The prefill form: reads prompts into the cache and gives no logits.
    reader: Option<Session>,
    /// The verify form: runs several tokens of row 0 and gives logits for each.
    verifier: Option<Session>,
    /// Tokens in one run of it.
    verifies: usize,
    /// How many steps such a run took at load.
    price: f32,
    pub(super) layout: Layout,
    kv: Kv,
    options: Arc<RunOptions>,
}

/// How much cache a graph gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Sequences at the same time.
    pub(super) rows: usize,
    /// Bytes that all of them may fill together.
    pub(super) bytes: usize,
    /// Whether one row more may run beside an odd number of them, where their numbers are to be alike and that makes them so.
    pub(super) pairs: bool,
}

impl Room {
    /// Tokens of a model that all sequences may hold together, in whole blocks.
    pub(super) fn tokens(self, layout: &Layout) -> usize {
        self.bytes / layout.bytes_per_token() / BLOCK * BLOCK
    }
}

impl Graph {
    /// Opens the graph and compares it with what the folder says. The layout's context is the model's, or as much of it
    /// as `room` holds.
    pub(super) fn open(folder: &Folder, spec: &SessionSpec, room: Room) -> Result<Self, LocalError> {
        if !folder.graph.is_file() {
            return Err(LocalError::model(&folder.graph, "there is no such file"));
        }
        let opening = Opening::begin();
        let (mut graph, [reader, verifier]) = std::thread::scope(|scope| {
            let forms =
                [&folder.prefill, &folder.verify].map(|file| Form::begin(scope, file.as_deref(), spec));
            // Tried out while they are still being opened.
            let graph = Self::open_decoder(folder, spec, room)?;
            let [reader, verifier] = forms.map(Form::opened);
            Ok::<_, LocalError>((graph, [reader?, verifier?]))
        })?;
        opening.give_back(&folder.graph, &[Some(&graph.session), reader.as_ref(), verifier.as_ref()]);
        if let (Some(file), Some(session)) = (&folder.verify, verifier) {
            graph.take_verifier(file, session)?;
        }
        graph.reader = reader;
        if let Some(file) = &folder.prefill {
            let why = |error: ort::Error| format!("the prefill form does not run: {}", error.message());
            graph.try_out().map_err(|error| LocalError::model(file, &why(error)))?;
        }
        Ok(graph)
    }

    /// The decoder alone, tried out, with its cache.
    fn open_decoder(folder: &Folder, spec: &SessionSpec, room: Room) -> Result<Self, LocalError> {
        let session = onnx::open(&folder.graph, spec)?;
        let mut layout = layout::read(folder, &session)?;
        layout.context = layout.context.min(room.tokens(&layout));
        let fails = |error: ort::Error| {
            LocalError::model(&folder.graph, &format!("the graph does not run: {}", error.message()))
        };
        if layout.context < SHORTEST {
            let why = format!(
                "`local.kv-cache-mib` has room for {} tokens of this model, which is of no use; a token takes {} bytes",
                layout.context,
                layout.bytes_per_token()
            );
            return Err(LocalError::model(&folder.graph, &why));
        }
        let kv = Kv::new(&layout, room.rows).map_err(fails)?;
        let options = Arc::new(RunOptions::new().map_err(fails)?);
        let mut graph =
            Self { session, reader: None, verifier: None, verifies: 0, price: 0.0, layout, kv, options };
        graph.try_out().map_err(fails)?;
        if room.pairs {
            graph.pair_rows(&folder.name, room.rows).map_err(fails)?;
        }
        Ok(graph)
    }

    /// Runs a prompt token and a decode step once, so that a graph that cannot run is found at load.
    fn try_out(&mut self) -> ort::Result<()> {
        self.read(0, &[0, 0], true)?;
        self.decode(&[0], false)?;
        self.clear(0);
        Ok(())
    }

    /// Ends the run under way with an error, and every later one.
    pub(super) fn brake(&self) -> Arc<RunOptions> {
        Arc::clone(&self.options)
    }

    /// Whether prompts are read by a form of the graph of its own.
    pub(super) fn has_reader(&self) -> bool {
        self.reader.is_some()
    }

    /// Appends tokens of a prompt to a row; the `last` ones leave their logits. Where there is a prefill form it reads all
    /// but the very last token of the prompt, in every prompt and at any load, so that tokens depend on the prompt alone.
    pub(super) fn read(&mut self, row: usize, ids: &[u32], last: bool) -> ort::Result<()> {
        let Some(reader) = &mut self.reader else {
            return self.prefill(row, ids);
        };
        let (ahead, end) = ids.split_at(ids.len() - usize::from(last && !ids.is_empty()));
        if !ahead.is_empty() {
            self.kv.prefill((reader, &self.options), &self.layout, row, ahead)?;
        }
        if last { self.prefill(row, end) } else { Ok(()) }
    }

    /// Appends `ids` to a row in one run of the decoder and leaves the logits of the last one.
    pub(super) fn prefill(&mut self, row: usize, ids: &[u32]) -> ort::Result<()> {
        self.kv.prefill((&mut self.session, &self.options), &self.layout, row, ids)
    }

    /// Appends one token to each of the rows `0..ids.len()`. With `alike`, and always where a verify form is in use, which was
    /// tried against such steps, a row's numbers are the same in any company, as far as `pairs.rs` could see to it.
    pub(super) fn decode(&mut self, ids: &[u32], alike: bool) -> ort::Result<()> {
        let alike = alike || self.verifier.is_some();
        self.kv.decode((&mut self.session, &self.options), &self.layout, ids, alike)
    }

    /// Whether a step over several rows is one run.
    pub(super) fn runs_together(&self) -> bool {
        self.kv.runs_together(&self.layout)
    }

    /// The logits after a row's last token.
    pub(super) fn logits(&self, row: usize) -> &[f32] {
        self.kv.logits(&self.layout, row)
    }

    /// Tokens that a row holds.
    pub(super) fn len(&self, row: usize) -> usize {
        self.kv.len(row)
    }

    /// Forgets a row's tokens from `len` on.
    pub(super) fn cut(&mut self, row: usize, len: usize) {
        self.kv.truncate(row, len);
    }

    /// Empties a row.
    pub(super) fn clear(&mut self, row: usize) {
        self.kv.truncate(row, 0);
    }

    /// Makes the empty row `to` hold the first `len` tokens of the row `from`, and its logits.
    pub(super) fn copy_row(&mut self, from: usize, to: usize, len: usize) {
        self.kv.copy_row(&self.layout, from, to, len);
    }

    /// The cache itself.
    pub(super) fn kv(&mut self) -> &mut Kv {
        &mut self.kv
    }
}

/// A form of the decoder that is being opened on a thread of its own.
struct Form<'scope, 'file> {
    file: &'file Path,
    thread: ScopedJoinHandle<'scope, Result<Session, OnnxError>>,
}

impl<'scope, 'file> Form<'scope, 'file> {
    fn begin<'env>(
        scope: &'scope Scope<'scope, 'env>,
        file: Option<&'file Path>,
        spec: &'env SessionSpec,
    ) -> Option<Self>
    where
        'file: 'scope,
    {
        let file = file?;
        Some(Self { file, thread: scope.spawn(move || onnx::open(file, spec)) })
    }

    fn opened(form: Option<Self>) -> Result<Option<Session>, LocalError> {
        let Some(form) = form else { return Ok(None) };
        match form.thread.join() {
            Ok(opened) => Ok(Some(opened?)),
            Err(_) => Err(LocalError::model(form.file, "opening it panicked")),
        }
    }
}

/// Contexts shorter than this are refused.
const SHORTEST: usize = 64;

#[cfg(test)]
mod tests;
