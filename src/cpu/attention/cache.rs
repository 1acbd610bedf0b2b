//! The cached keys and values of one layer.

use core::ops::Range;

use crate::quant::KvType;

/// Keys and values of one layer, `[K, n_slots, C]`. Position `p` lies in slot `p % n_slots`.
#[derive(Debug)]
pub struct KvCache {
    /// Type of the numbers.
    pub kv: KvType,
    /// Positions kept: the whole context, or a ring for layers with a window.
    pub n_slots: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C, a multiple of 8.
    pub head_dim: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl KvCache {
    /// An empty cache.
    #[must_use]
    pub fn new(kv: KvType, n_slots: usize, n_kv_heads: usize, head_dim: usize) -> Self {
        let bytes = n_slots * n_kv_heads * head_dim * kv.bytes() as usize;
        Self { kv, n_slots, n_kv_heads, head_dim, keys: vec![0; bytes], values: vec![0; bytes] }
    }

    /// Writes the keys and values `[T, K, C]` of the positions from `position` on; keys are rotated already.
    pub fn write(&mut self, keys: &[f32], values: &[f32], position: usize) {
        let (c, row) = (self.head_dim, self.n_kv_heads * self.head_dim);
        if row == 0 || self.n_slots == 0 {
            return;
        }
        for (t, (keys, values)) in keys.chunks_exact(row).zip(values.chunks_exact(row)).enumerate() {
            let slot = (position + t) % self.n_slots;
            for (head, (key, value)) in keys.chunks_exact(c).zip(values.chunks_exact(c)).enumerate() {
                let at = self.slots(head, slot..slot + 1);
                write(key, self.kv, &mut self.keys[at.clone()]);
                write(value, self.kv, &mut self.values[at]);
            }
        }
    }

    /// Bytes that the keys of one head take in the first `n_slots_used` slots, and its values too.
    #[must_use]
    pub fn head_bytes(&self, n_slots_used: usize) -> usize {
        n_slots_used.min(self.n_slots) * self.slot_bytes()
    }

    /// Keys of one head in the first slots; empty if there is no such head.
    #[must_use]
    pub fn keys(&self, head: usize, n_slots_used: usize) -> &[u8] {
        self.keys.get(self.used(head, n_slots_used)).unwrap_or_default()
    }

    /// The same, to be overwritten.
    pub fn keys_mut(&mut self, head: usize, n_slots_used: usize) -> &mut [u8] {
        let at = self.used(head, n_slots_used);
        self.keys.get_mut(at).unwrap_or_default()
    }

    /// Values of one head in the first slots; empty if there is no such head.
    #[must_use]
    pub fn values(&self, head: usize, n_slots_used: usize) -> &[u8] {
        self.values.get(self.used(head, n_slots_used)).unwrap_or_default()
    }

    /// The same, to be overwritten.
    pub fn values_mut(&mut self, head: usize, n_slots_used: usize) -> &mut [u8] {
        let at = self.used(head, n_slots_used);
        self.values.get_mut(at).unwrap_or_default()
    }

    /// Positions that lie side by side, beginning with the first of `seen`, at most `most`: how many they are, their keys
    /// and their values. Nothing for a cache without slots.
    pub(super) fn piece(&self, head: usize, seen: Range<usize>, most: usize) -> (usize, &[u8], &[u8]) {
        let Some(slot) = seen.start.checked_rem(self.n_slots) else { return (0, &[], &[]) };
        let n = seen.len().min(most).min(self.n_slots - slot);
        let at = self.slots(head, slot..slot + n);
        match (self.keys.get(at.clone()), self.values.get(at)) {
            (Some(keys), Some(values)) => (n, keys, values),
            _ => (0, &[], &[]),
        }
    }

    fn slot_bytes(&self) -> usize {
        self.head_dim * self.kv.bytes() as usize
    }

    fn used(&self, head: usize, n_slots_used: usize) -> Range<usize> {
        self.slots(head, 0..n_slots_used.min(self.n_slots))
    }

    fn slots(&self, head: usize, slots: Range<usize>) -> Range<usize> {
        let first = head * self.n_slots;
        (first + slots.start) * self.slot_bytes()..(first + slots.end) * self.slot_bytes()
    }
}

fn write(x: &[f32], kv: KvType, to: &mut [u8]) {
    match kv {
        KvType::F16 => {
            for (x, to) in x.iter().zip(to.as_chunks_mut::<2>().0) {
                *to = half::f16::from_f32(*x).to_le_bytes();
            }
        }
        KvType::F32 => {
            for (x, to) in x.iter().zip(to.as_chunks_mut::<4>().0) {
                *to = x.to_le_bytes();
            }
        }
    }
}
