// Split of the keys that a query sees: whole blocks of 64, in at most 32 chunks. Its twin is `n_chunks` in src/kernels/attention_decode.rs.
const BLOCK: u32 = 64u;
const MAX_CHUNKS: u32 = 32u;

// The first key that the query at a position sees; window 0: all.
fn first_key(position: u32, window: u32) -> u32 {
    return select(0u, position + 1u - window, window > 0u && position >= window);
}

fn blocks_per_chunk(n_keys: u32) -> u32 {
    return ((n_keys + BLOCK - 1u) / BLOCK + MAX_CHUNKS - 1u) / MAX_CHUNKS;
}

fn n_chunks(n_keys: u32) -> u32 {
    let per_chunk = BLOCK * blocks_per_chunk(n_keys);
    return (n_keys + per_chunk - 1u) / per_chunk;
}
