//! Eight rows of a matrix at a time: the few vector operations that the kernels are written with, once for each
//! instruction set.
//!
//! Every kernel of [`crate::cpu`] is generic over [`Lanes`], which is chosen at run time by [`Isa::detect`]. Lane `r` always
//! belongs to row `r` of a group of eight, so no sum crosses lanes.

mod operations;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_dot;

pub use operations::{Kernel, Lanes, Quad, ROWS};
pub use portable::Portable;

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub enum Isa {
    /// No vector instruction beyond the target's own.
    Portable(Portable),
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::X86<x86_dot::WithoutVnni>),
    /// AVX-512 with VNNI, on 256-bit registers.
    #[cfg(target_arch = "x86_64")]
    Vnni(x86::X86<x86_dot::WithVnni>),
    /// simd128.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Wasm(wasm::Simd128),
}

impl Isa {
    /// The fastest one that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::Portable(Portable))
    }

    /// All that this processor has, the slowest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable(Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(x86::X86::<x86_dot::WithoutVnni>::detect().map(Self::Avx2));
            all.extend(x86::X86::<x86_dot::WithVnni>::detect().map(Self::Vnni));
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        all.push(Self::Wasm(wasm::Simd128));
        all
    }

    /// The name that people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(_) => "AVX-512 VNNI",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm(_) => "simd128",
        }
    }

    /// Whether activations need [`Quad::pairs`].
    #[must_use]
    pub fn wants_pairs(self) -> bool {
        struct Pairs;
        impl Kernel for Pairs {
            type Output = bool;
            #[inline(always)]
            fn run<L: Lanes>(self, _: L) -> bool {
                L::PAIRS
            }
        }
        self.run(Pairs)
    }

    /// Runs a kernel with this instruction set.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable(lanes) => kernel.run(lanes),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(lanes) => lanes.enter(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm(lanes) => kernel.run(lanes),
        }
    }
}
