//! Arrays of numpy's `.npy` format, version 1, little-endian f32, C order: the format of the goldens.

use std::path::Path;

/// An array of f32, last axis innermost.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Array {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::parse(&bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// The values at these leading indices: `[row]` of a matrix is a row.
    pub(crate) fn at(&self, indices: &[usize]) -> &[f32] {
        let mut n_values = self.values.len();
        let mut start = 0;
        for (index, len) in indices.iter().zip(&self.shape) {
            assert!(index < len, "index {indices:?} into shape {:?}", self.shape);
            n_values /= len;
            start += index * n_values;
        }
        &self.values[start..start + n_values]
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let head_len = match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, low, high, ..] => u16::from_le_bytes([*low, *high]),
            _ => return Err("no version 1 .npy file".to_owned()),
        };
        let (head, data) = bytes[10..].split_at_checked(head_len.into()).ok_or("the head is cut off")?;
        let head = String::from_utf8_lossy(head);
        if !head.contains("'descr': '<f4'") || !head.contains("'fortran_order': False") {
            return Err(format!("not little-endian f32 in C order: {head}"));
        }
        let shape = head.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
        let shape = shape.ok_or_else(|| format!("no shape in {head}"))?.0;
        let axes = shape.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        let shape = axes.map(str::parse).collect::<Result<Vec<usize>, _>>().map_err(|e| e.to_string())?;
        let values: Vec<f32> =
            data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if data.len() % 4 != 0 || values.len() != shape.iter().product::<usize>() {
            return Err(format!("{} bytes for shape {shape:?}", data.len()));
        }
        Ok(Self { shape, values })
    }
}
