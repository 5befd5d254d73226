//! One sequence's KV cache: a slab of buffers that the graph reads as past and writes as present, so no token copies
//! them. Promises: a decode step allocates nothing here; grows by doubling, up to the context; never shrinks.
//! The only file with unsafe code: one call, see `run_bound`.

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use super::layout::Layout;

/// Smallest buffer, in tokens.
const SMALLEST: usize = 256;

/// The state of one sequence inside the graph.
pub(super) struct Cache {
    binding: IoBinding,
    /// Keys and values of every layer, in the order of [`super::folder::Names::cache_pairs`].
    buffers: Vec<Tensor<f32>>,
    capacity: usize,
    len: usize,
    /// The one token of a decode step; written in place.
    ids: Tensor<i64>,
    /// As wide as the buffers, ones up to `len`: a row's length is the mask's sum, so nothing is bound anew.
    mask: Tensor<i64>,
    logits: Tensor<f32>,
    /// Whether `ids` and `mask` are bound, not a prefill's own.
    stepping: bool,
}

impl Cache {
    /// An empty cache for at least `tokens` tokens (and at most the context).
    pub(super) fn new(session: &Session, layout: &Layout, tokens: usize) -> ort::Result<Self> {
        let capacity = capacity_for(tokens, layout.context);
        let memory = Allocator::default();
        let shape = [1, layout.kv_heads, capacity, layout.head_size];
        let mut binding = session.create_binding()?;
        let mut buffers = Vec::with_capacity(layout.layers * 2);
        for (past, present) in (0..layout.layers).flat_map(|layer| layout.names.cache_pairs(layer)) {
            let mut buffer = Tensor::<f32>::new(&memory, shape)?;
            binding.bind_input(past, &buffer)?;
            binding.bind_output(present, &mut buffer)?;
            buffers.push(buffer);
        }
        let mut logits = Tensor::<f32>::new(&memory, [1, 1, layout.vocabulary])?;
        binding.bind_output(layout.names.logits.as_str(), &mut logits)?;
        Ok(Self {
            binding,
            buffers,
            capacity,
            len: 0,
            ids: Tensor::new(&memory, [1_usize, 1])?,
            mask: Tensor::new(&memory, [1, capacity])?,
            logits,
            stepping: false,
        })
    }

    /// Tokens it can hold before it has to grow.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets the sequence and keeps the buffers. What they still hold lies past `len`, where nothing reads.
    pub(super) fn clear(&mut self) -> ort::Result<()> {
        self.len = 0;
        self.mask.try_extract_tensor_mut::<i64>()?.1.fill(0);
        Ok(())
    }

    /// Makes room for `more` tokens, moving what is there into buffers of twice the size where needed.
    pub(super) fn grow_to(&mut self, session: &Session, layout: &Layout, more: usize) -> ort::Result<()> {
        let wanted = self.len + more;
        if wanted <= self.capacity {
            return Ok(());
        }
        if wanted > layout.context {
            return Err(ort::Error::new("the sequence is longer than the context"));
        }
        let mut grown = Self::new(session, layout, wanted)?;
        let (used, from, to) = (
            self.len * layout.head_size,
            self.capacity * layout.head_size,
            grown.capacity * layout.head_size,
        );
        for (old, new) in self.buffers.iter().zip(&mut grown.buffers) {
            let old = old.try_extract_tensor::<f32>()?.1.chunks_exact(from);
            let new = new.try_extract_tensor_mut::<f32>()?.1.chunks_exact_mut(to);
            for (old, new) in old.zip(new) {
                new[..used].copy_from_slice(&old[..used]);
            }
        }
        grown.mask.try_extract_tensor_mut::<i64>()?.1[..self.len].fill(1);
        grown.len = self.len;
        *self = grown;
        Ok(())
    }

    /// Runs the graph over `ids`, which must fit, and returns the last position's logits.
    pub(super) fn run(&mut self, session: &mut Session, layout: &Layout, ids: &[u32]) -> ort::Result<&[f32]> {
        match ids {
            [id] if self.len > 0 => self.step(session, layout, *id)?,
            _ => self.prefill(session, layout, ids)?,
        }
        Ok(self.logits.try_extract_tensor::<f32>()?.1)
    }

    fn step(&mut self, session: &mut Session, layout: &Layout, id: u32) -> ort::Result<()> {
        if !self.stepping {
            self.binding.bind_input(layout.names.input_ids.as_str(), &self.ids)?;
            self.binding.bind_input(layout.names.attention_mask.as_str(), &self.mask)?;
            self.stepping = true;
        }
        self.ids.try_extract_tensor_mut::<i64>()?.1[0] = i64::from(id);
        self.mask.try_extract_tensor_mut::<i64>()?.1[self.len] = 1;
        run_bound(session, &self.binding)?;
        self.len += 1;
        Ok(())
    }

    fn prefill(&mut self, session: &mut Session, layout: &Layout, ids: &[u32]) -> ort::Result<()> {
        let total = self.len + ids.len();
        let names = &layout.names;
        let tokens: Vec<i64> = ids.iter().copied().map(i64::from).collect();
        self.stepping = false;
        self.binding.bind_input(names.input_ids.as_str(), &Tensor::from_array(([1, ids.len()], tokens))?)?;
        self.binding.bind_input(
            names.attention_mask.as_str(),
            &Tensor::from_array(([1, total], vec![1_i64; total]))?,
        )?;
        if layout.pruned {
            run_bound(session, &self.binding)?;
        } else {
            self.run_unpruned(session, layout)?;
        }
        self.mask.try_extract_tensor_mut::<i64>()?.1[self.len..total].fill(1);
        self.len = total;
        Ok(())
    }

    /// Logits of every position come back; only the last row is kept.
    fn run_unpruned(&mut self, session: &mut Session, layout: &Layout) -> ort::Result<()> {
        let name = layout.names.logits.as_str();
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)?;
        self.binding.bind_output_to_device(name, &memory)?;
        {
            let outputs = session.run_binding(&self.binding)?;
            let all =
                outputs.get(name).ok_or_else(|| ort::Error::new("no logits"))?.try_extract_tensor::<f32>()?.1;
            let last = all.len().saturating_sub(layout.vocabulary);
            self.logits.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(&all[last..]);
        }
        self.binding.bind_output(name, &mut self.logits)
    }
}

/// Runs the graph over what is bound. `Session::run_binding` does the same and then wraps every bound output in a new
/// value, which costs a small model a twentieth of its speed; here the outputs are tensors that the cache holds anyway.
#[expect(unsafe_code, reason = "the safe call builds a value for every output of every token")]
fn run_bound(session: &mut Session, binding: &IoBinding) -> ort::Result<()> {
    // SAFETY: both pointers come from live values that are borrowed for the whole call, and the exclusive borrow of
    // the session keeps any other run out. The binding keeps every bound tensor alive (`bind_input`, `bind_output`
    // hold them), and no slice into one of them lives across this call, since `Cache` hands them out by borrowing
    // itself. Null run options are the defaults. The status is passed on exactly once, to its one owner.
    unsafe {
        let status = (ort::api().RunWithBinding)(session.ptr().cast_mut(), std::ptr::null(), binding.ptr());
        ort::Error::result_from_status(status)
    }
}

/// Powers of two from [`SMALLEST`], cut at the context: few sizes, so that buffers can be used again.
fn capacity_for(tokens: usize, context: usize) -> usize {
    tokens.max(SMALLEST).next_power_of_two().min(context.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_few_and_never_pass_the_context() {
        assert_eq!(capacity_for(1, 1024), 256);
        assert_eq!(capacity_for(257, 1024), 512);
        assert_eq!(capacity_for(5000, 1000), 1000);
        assert_eq!(capacity_for(10, 100), 100);
    }
}
