// id = argmax(x), or drawn from softmax(x / temperature) within top-k, top-p and min-p; x = penalised(logits + bias)
// Shapes: logits [V] and block_max [ceil(V / 32)] f32, block_max[b] the maximum of logits[32 b ..], both changed in place; biases
//   [n_biases] of (id, f32); recent [64]: the token at text position p lies in p % 64, 0xffffffff if there is none; ids [.. 1].
// Bindings: 0 params, 1 step, 2 logits, 3 block_max, 4 settings, 5 biases, 6 recent, 7 ids.
// Dispatch: (1): one workgroup of 256. The logits are those of the last row of the run.
// Reference: src/sampler/mod.rs, `choose`. The id is 0xffffffff if a logit is NaN or infinite, as the maximum of its block shows too, or if
// all are -infinity: a bias of -infinity forbids.
// Uses: step math
struct Params {
    n_vocab: u32,   // V
    n_blocks: u32,  // ceil(V / 32)
}
struct Settings {
    inverse_temperature: f32,
    top_k: u32,  // 1 (greedy) to 64
    top_p: f32,
    min_p: f32,
    repetition: f32,
    inverse_repetition: f32,
    frequency: f32,
    presence: f32,
    penalises: u32,  // 0: the three above change nothing
    n_biases: u32,
    seed_hash: u32,
    pad: u32,
}
// Floats are loaded as bits: WGSL lets a compiler assume that there is no NaN and no infinity.
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> logits: array<u32>;
@group(0) @binding(3) var<storage, read_write> block_max: array<u32>;
@group(0) @binding(4) var<uniform> settings: Settings;
@group(0) @binding(5) var<storage, read> biases: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> recent: array<u32>;
@group(0) @binding(7) var<storage, read_write> ids: array<u32>;

const NO_ID = 0xffffffffu;
const MINUS_INFINITY = 0xff800000u;

// Candidates of the invocations; at the end, in `keys`, the weights of the kept ids.
var<workgroup> keys: array<u32, 256>;
var<workgroup> owners: array<u32, 256>;
var<workgroup> kept: array<u32, 64>;

// Key of NaN and infinity, above the keys of all numbers, so that the search finds them like a best logit.
const BROKEN = 0xffffffffu;
var<workgroup> broken: u32;

// Orders finite floats as u32, with one zero; 0 for -infinity.
fn key_of(bits: u32) -> u32 {
    let magnitude = bits & 0x7fffffffu;
    let key = select(0x80000000u + magnitude, 0x80000000u - magnitude, bits > magnitude);
    return select(key, select(BROKEN, 0u, bits == MINUS_INFINITY), magnitude >= 0x7f800000u);
}

// A candidate: a key, and the block or id that it belongs to.
struct Best {
    key: u32,
    owner: u32,
}

// The best logit of a block. The count is constant, so that compilers unroll the loop and wait for all loads at once.
fn best_in(block: u32) -> Best {
    var best = Best(0u, NO_ID);
    for (var i = 0u; i < 32u; i += 1u) {
        let id = min(32u * block + i, params.n_vocab - 1u);
        let key = key_of(logits[id]);
        if (key > best.key) {
            best = Best(key, id);
        }
    }
    return best;
}

// The best of the blocks first, first + stride, ... below end.
fn best_block(first: u32, stride: u32, end: u32) -> Best {
    var best = Best(0u, NO_ID);
    for (var block = first; block < end; block += stride) {
        let key = key_of(block_max[block]);
        if (key > best.key) {
            best = Best(key, block);
        }
    }
    return best;
}

// The best of the logits first, first + stride, ... below end.
fn best_logit(first: u32, stride: u32, end: u32) -> Best {
    var best = Best(0u, NO_ID);
    for (var id = first; id < end; id += stride) {
        let key = key_of(logits[id]);
        if (key > best.key) {
            best = Best(key, id);
        }
    }
    return best;
}

fn end_of(block: u32) -> u32 {
    return min(32u * block + 32u, params.n_vocab);
}

// Recomputes the maximum of a block. A broken block stays broken.
fn refresh(block: u32) {
    if (key_of(block_max[block]) == BROKEN) {
        return;
    }
    let best = best_in(block);
    block_max[block] = select(logits[min(best.owner, params.n_vocab - 1u)], MINUS_INFINITY, best.key == 0u);
}

fn add_bias(id: u32, bias: u32) {
    if (id < params.n_vocab && is_finite(logits[id])) {
        let sum = bitcast<u32>(bitcast<f32>(logits[id]) + bitcast<f32>(bias));
        logits[id] = select(sum, MINUS_INFINITY, bias == MINUS_INFINITY);
    }
}

// Of the invocations with the same token, the first changes its logit.
fn penalise(lane: u32) {
    let id = recent[lane];
    if (id >= params.n_vocab || !is_finite(logits[id])) {
        return;
    }
    var count = 0.0;
    for (var i = 0u; i < 64u; i += 1u) {
        if (recent[i] == id) {
            if (i < lane) {
                return;
            }
            count += 1.0;
        }
    }
    let x = bitcast<f32>(logits[id]);
    let scaled = x * select(settings.repetition, settings.inverse_repetition, x > 0.0);
    logits[id] = bitcast<u32>(scaled - (count * settings.frequency + settings.presence));
}

fn adjust(lane: u32) {
    for (var i = lane; i < settings.n_biases; i += 256u) {
        add_bias(biases[i].x, biases[i].y);
    }
    storageBarrier();
    let penalised = settings.penalises != 0u && lane < 64u;
    if (penalised) {
        penalise(lane);
    }
    storageBarrier();
    for (var i = lane; i < settings.n_biases; i += 256u) {
        refresh(min(biases[i].x / 32u, params.n_blocks - 1u));
    }
    if (penalised && recent[lane] < params.n_vocab) {
        refresh(recent[lane] / 32u);
    }
    storageBarrier();
}

fn pcg(input: u32) -> u32 {
    let state = input * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// Position that the chosen token will have.
fn next_position() -> u32 {
    return step.position + step.n_tokens;
}

fn choose(id: u32) {
    ids[0] = id;
    recent[next_position() & 63u] = id;
}

fn weight(n: u32) -> f32 {
    return bitcast<f32>(keys[n]);
}

// A draw from the kept ids, which are ordered best first.
fn draw() -> u32 {
    var total = 0.0;
    for (var n = 0u; n < settings.top_k; n += 1u) {
        total += weight(n);
    }
    let enough = select(settings.top_p * total, 2.0 * total, settings.top_p >= 1.0);
    var n_kept = 0u;
    var sum = 0.0;
    while (n_kept < settings.top_k && weight(n_kept) > 0.0 && weight(n_kept) >= settings.min_p && sum < enough) {
        sum += weight(n_kept);
        n_kept += 1u;
    }
    let drawn = f32(pcg(settings.seed_hash + next_position()) >> 8u) / 16777216.0 * sum;
    var chosen = NO_ID;
    var passed = 0.0;
    for (var n = 0u; n < n_kept && passed <= drawn; n += 1u) {
        chosen = kept[n];
        passed += weight(n);
    }
    return chosen;
}

// The k best of many lie in the k parts whose own best are the k best. So each of 256 invocations searches one part of the blocks, and
// the k best parts stay (at most 64). Each is divided into four for the next round, until a part is one block. The logits of the
// blocks that are left are searched in the same way. Equal keys are ordered by block and id.
@compute @workgroup_size(256)
fn sample(@builtin(local_invocation_index) lane: u32) {
    if (settings.n_biases + settings.penalises > 0u) {
        adjust(lane);
    }
    let k = settings.top_k;
    var in_blocks = true;
    var first = lane;  // this part is first, first + stride, ... below end
    var stride = 256u;
    var extent = params.n_blocks;
    var end = params.n_blocks;
    loop {
        var best = Best();
        if (in_blocks) {
            best = best_block(first, stride, end);
        } else {
            best = best_logit(first, stride, end);
        }
        // No two candidates are equal, so no two have the same rank.
        let key = best.key;
        let owner = select(best.owner, ~lane, key == 0u);
        keys[lane] = key;
        owners[lane] = owner;
        workgroupBarrier();
        var rank = 0u;
        for (var other = 0u; other < 256u && rank < k; other += 1u) {
            let theirs = keys[other];
            rank += u32(theirs > key || (theirs == key && owners[other] < owner));
        }
        if (k == 1u) {
            if (rank == 0u) {
                choose(select(best_in(owner).owner, NO_ID, key == BROKEN));
            }
            return;
        }
        if (rank == 0u && key == BROKEN) {
            broken = 1u;
        }
        if (rank < k) {
            kept[rank] = select(NO_ID, first, key != 0u);
        }
        workgroupBarrier();
        let last = stride >= extent;
        if (last && !in_blocks) {
            break;
        }
        let part = kept[lane & 63u];
        let live = (lane & 63u) < k && part != NO_ID;
        end = params.n_blocks;
        if (last) {
            in_blocks = false;
            extent = 32u;
            end = end_of(part);
            first = 32u * part + (lane >> 6u);
            stride = 4u;
        } else {
            if (!in_blocks) {
                end = end_of(part / 32u);
            }
            first = part + stride * (lane >> 6u);
            stride *= 4u;
        }
        end = select(0u, end, live);
    }
    if (lane < 64u) {
        keys[lane] = bitcast<u32>(0.0);
        let id = kept[lane];
        if (lane < k && id != NO_ID) {
            let below = bitcast<f32>(logits[id]) - bitcast<f32>(logits[kept[0]]);
            keys[lane] = bitcast<u32>(exp(max(below * settings.inverse_temperature, -100.0)));
        }
    }
    workgroupBarrier();
    if (lane == 0u) {
        choose(select(draw(), NO_ID, broken != 0u));
    }
}
