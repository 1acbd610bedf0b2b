// Bits and bytes of packed weights. No bindings: the format fragments use them.
// Sixteen weights travel as vec4<u32> (one byte each, in order) until they become mat4x4<f32> (column j = weights 4j..4j+3).

// Sixteen weights d * q + m, q signed bytes in order.
struct Codes16 {
    q: vec4<u32>,
    d: f32,
    m: f32,
}

// The low (odd = 0) or high (odd = 1) f16 of a word. A shift, because indexing a vector by a variable spills on some drivers.
fn f16_of(word: u32, odd: u32) -> f32 {
    return unpack2x16float(word >> (odd << 4u)).x;
}

// Byte `ix` (0..3) of a word.
fn byte_of(word: u32, ix: u32) -> u32 {
    return (word >> (ix << 3u)) & 0xffu;
}

// Byte `ix` (0..3) of a word, as a signed number.
fn signed_byte_of(word: u32, ix: u32) -> f32 {
    return f32(bitcast<i32>(word << (24u - (ix << 3u))) >> 24u);
}

// The four bytes of a word as numbers 0..255.
fn bytes4(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u) & vec4<u32>(0xffu));
}

// The four bytes of a word as numbers -128..127.
fn signed_bytes4(word: u32) -> vec4<f32> {
    let top = bitcast<vec4<i32>>(vec4<u32>(word << 24u, word << 16u, word << 8u, word));
    return vec4<f32>(top >> vec4<u32>(24u));
}

// Sixteen bits to sixteen bytes of 0 or 1. The multiplication puts bit i of a nibble to bit 8i, and no two copies meet.
fn spread16(bits: u32) -> vec4<u32> {
    let nibbles = vec4<u32>(bits, bits >> 4u, bits >> 8u, bits >> 12u) & vec4<u32>(0xfu);
    return (nibbles * 0x00204081u) & vec4<u32>(0x01010101u);
}

// d * (q - zero)
fn centred16(q: vec4<u32>, zero: f32, d: f32) -> mat4x4<f32> {
    return mat4x4<f32>(
        d * (bytes4(q.x) - zero),
        d * (bytes4(q.y) - zero),
        d * (bytes4(q.z) - zero),
        d * (bytes4(q.w) - zero),
    );
}

// d * q + m. The product of an f16 and small integers is exact in f32, so a fused multiply-add gives the same bits.
fn affine16(q: vec4<u32>, d: f32, m: f32) -> mat4x4<f32> {
    return mat4x4<f32>(d * bytes4(q.x) + m, d * bytes4(q.y) + m, d * bytes4(q.z) + m, d * bytes4(q.w) + m);
}

// d * q, q signed
fn signed16(q: vec4<u32>, d: f32) -> mat4x4<f32> {
    return mat4x4<f32>(d * signed_bytes4(q.x), d * signed_bytes4(q.y), d * signed_bytes4(q.z), d * signed_bytes4(q.w));
}

// The levels that the low nibbles of a word's bytes stand for, as signed bytes: entries of the table of src/quant/iq4_nl.rs,
// which lies in four words. Two selects and a shift, because an array indexed by a variable spills on some drivers.
fn levels4(word: u32) -> u32 {
    let q = vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u);
    let odd = (q & vec4<u32>(4u)) != vec4<u32>(0u);
    let negative = select(vec4<u32>(0xbfad9881u), vec4<u32>(0xf6eaddcfu), odd);
    let positive = select(vec4<u32>(0x26190d01u), vec4<u32>(0x71594535u), odd);
    let four = select(negative, positive, (q & vec4<u32>(8u)) != vec4<u32>(0u));
    let level = (four >> ((q & vec4<u32>(3u)) << vec4<u32>(3u))) & vec4<u32>(0xffu);
    return level.x | (level.y << 8u) | (level.z << 16u) | (level.w << 24u);
}

// levels[q], q in the low nibble of each byte; the high nibbles do not matter.
fn levels16(q: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(levels4(q.x), levels4(q.y), levels4(q.z), levels4(q.w));
}

// The scale and the negated minimum of sub-block `sub` (0..7) from the header of a Q4_K or Q5_K block: x = f16 d, f16 dmin;
// y, z, w = the 12 bytes that hold eight six-bit scales and eight six-bit minima (see src/quant/k_scales.rs).
fn k_scale_min(header: vec4<u32>, sub: u32) -> vec2<f32> {
    let ix = sub & 3u;
    let a = byte_of(header.y, ix);
    let b = byte_of(header.z, ix);
    let c = byte_of(header.w, ix);
    let first = vec2<u32>(a & 63u, b & 63u);
    let last = vec2<u32>((c & 15u) | ((a >> 6u) << 4u), (c >> 4u) | ((b >> 6u) << 4u));
    let scale_min = vec2<f32>(select(first, last, vec2<bool>(sub > 3u)));
    let dm = unpack2x16float(header.x);
    return vec2<f32>(dm.x * scale_min.x, -(dm.y * scale_min.y));
}
