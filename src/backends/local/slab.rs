//! Memory that the graph reads and writes in place: pages that cost nothing until they are written and can be given
//! back, and wirings that bind ranges of them as tensors. Promises: every bound range lies inside its pages, lives as
//! long as the wiring, and is run over only while nobody else looks at it. The only file with unsafe code.

use std::ffi::{CString, c_void};
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use ort::AsPointer;
use ort::memory::MemoryInfo;
use ort::session::{IoBinding, RunOptions, Session};
use ort::sys::ONNXTensorElementDataType as Element;

use super::mappings::Mapping;

/// Memory is given back in units of so many bytes: a multiple of the page size of every system that we know.
pub(super) const UNIT: usize = 64 << 10;

/// Memory for the tensors of one engine. Exclusive access to it is what a run needs.
pub(super) struct Slab {
    areas: Vec<Arc<MmapRaw>>,
    /// Tells this slab from others.
    identity: Arc<()>,
}

/// A range of numbers in a [`Slab`], as the key to it.
#[derive(Clone, Copy)]
pub(super) struct Area<T> {
    index: usize,
    /// Numbers, not bytes.
    len: usize,
    kind: std::marker::PhantomData<T>,
}

/// A kind of number that areas hold: plain old data for which all bytes, zeros above all, are valid.
pub(super) trait Number: Copy + private::Sealed {
    const ELEMENT: Element;
}

impl Number for f32 {
    const ELEMENT: Element = Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

impl Number for i64 {
    const ELEMENT: Element = Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
}

mod private {
    pub(crate) trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i64 {}
}

/// Asks the system to copy a range of addresses into huge pages; a whole number of them, at such an address.
///
/// # Errors
/// `WouldBlock` where a page cannot be moved now, `InvalidInput` where the range or the system knows no such pages, others where
/// there is no memory. Part of the range may be in huge pages then.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe call takes an address")]
pub(super) fn into_huge_pages(range: Range<usize>) -> io::Result<()> {
    /// Of `linux/mman.h`, since Linux 6.1; not every libc knows it.
    const MADV_COLLAPSE: libc::c_int = 25;
    let start = ptr::without_provenance_mut(range.start);
    // SAFETY: this advice changes neither what memory holds nor where it is mapped, so any range may be named, even one that is
    // somebody else's or was unmapped since.
    match unsafe { libc::madvise(start, range.len(), MADV_COLLAPSE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn into_huge_pages(_: Range<usize>) -> io::Result<()> {
    Err(io::ErrorKind::InvalidInput.into())
}

/// Gives back the pages of a mapping of a file that nobody has written to; reading it brings them back. It is one that
/// appeared while `_opened` were opened, with nothing else opened beside them (`file_pages.rs` sees to it).
///
/// # Errors
/// Where the mapping is no such one, or the system refuses; part of it may be given back then.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe call takes an address")]
pub(super) fn forget_unchanged(mapping: &Mapping, _opened: &[Option<&Session>]) -> io::Result<()> {
    if mapping.unchanged_file().is_none() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let start = ptr::without_provenance_mut(mapping.range().start);
    // SAFETY: the mapping lives as long as the session that made it, which is held. No page of it had been written to, in memory or in
    // swap, when the system was asked, and the shared borrow keeps the sessions from running since. So what is read there afterwards is what was.
    match unsafe { libc::madvise(start, mapping.range().len(), libc::MADV_DONTNEED) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn forget_unchanged(_: &Mapping, _: &[Option<&Session>]) -> io::Result<()> {
    Err(io::ErrorKind::InvalidInput.into())
}

/// How often [`give_back_freed`] was called.
#[cfg(test)]
pub(super) static GIVEN_BACK: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Gives the system back what the C library's heap holds of freed memory: after a large tokenizer was read, nearly as much as it
/// takes. Elsewhere than under glibc, nothing.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "a call of the C library")
)]
pub(super) fn give_back_freed() {
    #[cfg(test)]
    GIVEN_BACK.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: it moves nothing that is in use, and may be called from any thread.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// A file as ONNX Runtime maps it: what is written there is this process's alone.
#[cfg(test)]
#[expect(unsafe_code, reason = "somebody else could change the file")]
pub(super) fn map_privately(file: &std::fs::File) -> memmap2::MmapMut {
    // SAFETY: tests map files that they alone know.
    unsafe { MmapOptions::new().map_copy(file) }.unwrap()
}

impl Slab {
    /// No memory yet.
    pub(super) fn new() -> Self {
        Self { areas: vec![], identity: Arc::default() }
    }

    /// `len` zeros. They take address space; memory only where something is written.
    pub(super) fn area<T: Number>(&mut self, len: usize) -> ort::Result<Area<T>> {
        let bytes = len.checked_mul(size_of::<T>()).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or_else(|| ort::Error::new("a tensor of an impossible size"))?;
        let map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon();
        let map = MmapRaw::from(map.map_err(|error| ort::Error::new(format!("no address space: {error}")))?);
        // Huge pages would make a short sequence hold two megabytes for each head. Old kernels know no such advice.
        let _ = map.advise(Advice::NoHugePage);
        self.areas.push(Arc::new(map));
        Ok(Area { index: self.areas.len() - 1, len, kind: std::marker::PhantomData })
    }

    /// What the area holds.
    #[expect(unsafe_code, reason = "typed access to mapped memory")]
    pub(super) fn get<T: Number>(&self, area: Area<T>) -> &[T] {
        let map = &self.areas[area.index];
        assert!(area.len * size_of::<T>() <= map.len(), "an area of another slab");
        // SAFETY: mapped for reading and writing, `area.len` numbers long (checked), page-aligned, zeroed or written
        // with numbers, and every byte pattern is a valid `T`. Writers need `&mut self` (`get_mut`, `run`, `release`).
        unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), area.len) }
    }

    /// What the area holds, to be changed.
    #[expect(unsafe_code, reason = "typed access to mapped memory")]
    pub(super) fn get_mut<T: Number>(&mut self, area: Area<T>) -> &mut [T] {
        let map = &self.areas[area.index];
        assert!(area.len * size_of::<T>() <= map.len(), "an area of another slab");
        // SAFETY: as in `get`, and the exclusive borrow of the slab keeps everybody else out.
        unsafe { std::slice::from_raw_parts_mut(map.as_mut_ptr().cast(), area.len) }
    }

    /// Gives the memory under `range` back to the system, as far as it fills whole [`UNIT`]s; those read as zeros from
    /// then on.
    #[expect(unsafe_code, reason = "the advice changes what the memory holds")]
    pub(super) fn release<T: Number>(&mut self, area: Area<T>, range: Range<usize>) {
        let map = &self.areas[area.index];
        let from = (range.start * size_of::<T>()).next_multiple_of(UNIT);
        let to = range.end.min(area.len) * size_of::<T>() / UNIT * UNIT;
        if from < to && to <= map.len() {
            // SAFETY: inside the map, and whole pages only, so that no number outside of the range changes; the
            // exclusive borrow keeps any slice into it away. The map is private and anonymous: afterwards it reads
            // as zeros, which are valid numbers. A failure leaves all as it was.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        }
    }

    /// Runs the graph over what is wired. `Session::run_binding` does the same and then wraps every bound output in
    /// a new value, which costs a small model a twentieth of its speed.
    #[expect(unsafe_code, reason = "the safe call builds a value for every output of every token")]
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        wiring: &Wiring,
        options: &RunOptions,
    ) -> ort::Result<()> {
        if !Arc::ptr_eq(&self.identity, &wiring.identity) {
            return Err(ort::Error::new("a wiring of another slab"));
        }
        // SAFETY: all pointers come from live values that are borrowed for the whole call; the exclusive borrow of
        // the session keeps any other run out. The wiring keeps every bound range mapped. All ranges that can be
        // bound lie in slabs; a wiring made by another slab is refused, and the exclusive borrow of this one keeps
        // slices into it away during the run. The status is passed on exactly once, to its one owner.
        unsafe {
            let run = ort::api().RunWithBinding;
            let status = run(session.ptr().cast_mut(), options.ptr(), wiring.binding.ptr());
            ort::Error::result_from_status(status)
        }
    }
}

/// Inputs and outputs of one session, bound to ranges of one slab.
pub(super) struct Wiring {
    binding: IoBinding,
    /// Keeps what is bound mapped.
    held: Vec<Arc<MmapRaw>>,
    identity: Arc<()>,
}

/// Where a range is bound.
#[derive(Clone, Copy)]
pub(super) enum Port<'n> {
    Input(&'n str),
    Output(&'n str),
}

impl Wiring {
    /// Nothing is bound yet.
    pub(super) fn new(session: &Session, slab: &Slab) -> ort::Result<Self> {
        let identity = Arc::clone(&slab.identity);
        Ok(Self { binding: session.create_binding()?, held: vec![], identity })
    }

    /// Binds `shape` numbers of `area` from `start` on; a port that is bound already is bound anew.
    #[expect(unsafe_code, reason = "a safe binding takes owned tensors only, never a range of a larger one")]
    pub(super) fn bind<T: Number>(
        &mut self,
        slab: &Slab,
        port: Port<'_>,
        (area, start): (Area<T>, usize),
        shape: &[usize],
    ) -> ort::Result<()> {
        let (count, map) = (shape.iter().product::<usize>(), &slab.areas[area.index]);
        let inside = start.checked_add(count).is_some_and(|end| end * size_of::<T>() <= map.len());
        if !inside || !Arc::ptr_eq(&self.identity, &slab.identity) {
            return Err(ort::Error::new("a tensor outside of its memory"));
        }
        let shape: Vec<i64> = shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
        let (name, is_input) = match port {
            Port::Input(name) => (name, true),
            Port::Output(name) => (name, false),
        };
        let name = CString::new(name).map_err(|_| ort::Error::new("a tensor name with a zero byte"))?;
        let (api, memory, mut value) = (ort::api(), MemoryInfo::default(), ptr::null_mut());
        // SAFETY: the range lies inside the map (checked above), which `held` keeps until the binding is gone; all
        // other pointers come from live values and are only read during the calls. The value is ours until it is
        // released, once, below; the binding keeps a count of its own. Each status goes to its one owner.
        unsafe {
            let data: *mut c_void = slab.areas[area.index].as_mut_ptr().cast::<T>().add(start).cast();
            let status = (api.CreateTensorWithDataAsOrtValue)(
                memory.ptr(),
                data,
                count * size_of::<T>(),
                shape.as_ptr(),
                shape.len(),
                T::ELEMENT,
                &raw mut value,
            );
            ort::Error::result_from_status(status)?;
            let binding = self.binding.ptr().cast_mut();
            let status = if is_input {
                (api.BindInput)(binding, name.as_ptr(), value)
            } else {
                (api.BindOutput)(binding, name.as_ptr(), value)
            };
            (api.ReleaseValue)(value);
            ort::Error::result_from_status(status)?;
        }
        if !self.held.iter().any(|held| Arc::ptr_eq(held, map)) {
            self.held.push(Arc::clone(map));
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn freed_memory_that_the_heap_keeps_goes_back() {
        // Small pieces, every hundredth of which stays: no end of the heap is free.
        let mut pieces: Vec<Vec<u8>> = (0..60_000).map(|_| vec![1; 1024]).collect();
        let mut at = 0;
        pieces.retain(|_| {
            at += 1;
            at % 100 == 0
        });
        let before = resident_kib();
        give_back_freed();
        let after = resident_kib();
        assert!(after + 30_000 < before, "{before} KiB, then {after}");
        assert!(pieces.iter().all(|piece| piece.iter().all(|byte| *byte == 1)));
    }
}
