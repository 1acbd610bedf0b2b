//! Copies of the caches' slots in use, for sessions that wait.

use std::collections::BTreeMap;

use crate::cpu::memory::{CachePart, get};
use crate::cpu::plan::Plane;
use crate::error::{Error, Result};

/// Keys and values of each head of each cache.
#[derive(Clone, Debug)]
struct Copied {
    n_tokens: usize,
    caches: Vec<Vec<[Vec<u8>; 2]>>,
}

/// The copies of a worker, by number.
#[derive(Debug, Default)]
pub struct Swapped {
    copies: BTreeMap<u64, Copied>,
}

fn no_copy() -> Error {
    Error::Internal { what: "a worker has no such copy of a KV cache".to_owned() }
}

impl Swapped {
    /// Copies the slots in use out of the caches.
    pub fn swap_out(&mut self, id: u64, n_tokens: usize, caches: &[CachePart]) {
        let heads = |part: &CachePart| {
            let head = |h| [part.cache.keys(h, n_tokens).to_vec(), part.cache.values(h, n_tokens).to_vec()];
            (0..part.cache.n_kv_heads).map(head).collect()
        };
        self.copies.insert(id, Copied { n_tokens, caches: caches.iter().map(heads).collect() });
    }

    /// Makes an empty copy.
    pub fn allocate(&mut self, id: u64, n_tokens: usize, caches: &[CachePart]) {
        let heads = |part: &CachePart| {
            let bytes = part.cache.head_bytes(n_tokens);
            (0..part.cache.n_kv_heads).map(|_| [vec![0; bytes], vec![0; bytes]]).collect()
        };
        self.copies.insert(id, Copied { n_tokens, caches: caches.iter().map(heads).collect() });
    }

    /// Copies a copy back into the caches.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such copy.
    pub fn swap_in(&self, id: u64, caches: &mut [CachePart]) -> Result<()> {
        let copied = self.copies.get(&id).ok_or_else(no_copy)?;
        for (part, heads) in caches.iter_mut().zip(&copied.caches) {
            for (h, [keys, values]) in heads.iter().enumerate() {
                part.cache.keys_mut(h, copied.n_tokens).copy_from_slice(keys);
                part.cache.values_mut(h, copied.n_tokens).copy_from_slice(values);
            }
        }
        Ok(())
    }

    /// Copies a copy.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such copy.
    pub fn duplicate(&mut self, from: u64, to: u64) -> Result<()> {
        let copied = self.copies.get(&from).ok_or_else(no_copy)?.clone();
        self.copies.insert(to, copied);
        Ok(())
    }

    /// Frees a copy.
    pub fn free(&mut self, id: u64) {
        self.copies.remove(&id);
    }

    /// Bytes of a plane of a copy, or of the live caches.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such copy or plane.
    pub fn read(
        &self,
        id: Option<u64>,
        plane: Plane,
        n_tokens: usize,
        caches: &[CachePart],
    ) -> Result<Vec<u8>> {
        let part = get(caches, plane.cache.0, "cache")?;
        let head = plane.head.wrapping_sub(part.first_head);
        Ok(match id {
            None if plane.values => part.cache.values(head, n_tokens).to_vec(),
            None => part.cache.keys(head, n_tokens).to_vec(),
            Some(id) => {
                let copied = self.copies.get(&id).ok_or_else(no_copy)?;
                let heads = get(&copied.caches, plane.cache.0, "cache")?;
                get(heads, head, "head")?[usize::from(plane.values)].clone()
            }
        })
    }

    /// Writes bytes of a plane of a copy, if the worker has the head.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such copy.
    pub fn write(
        &mut self,
        id: u64,
        plane: Plane,
        (offset, bytes): (usize, &[u8]),
        caches: &[CachePart],
    ) -> Result<()> {
        let head = plane.head.wrapping_sub(get(caches, plane.cache.0, "cache")?.first_head);
        let copied = self.copies.get_mut(&id).ok_or_else(no_copy)?;
        let heads = copied.caches.get_mut(plane.cache.0);
        if let Some(planes) = heads.and_then(|heads| heads.get_mut(head))
            && let Some(to) = planes[usize::from(plane.values)].get_mut(offset..offset + bytes.len())
        {
            to.copy_from_slice(bytes);
        }
        Ok(())
    }
}
