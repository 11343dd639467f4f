// Σ x² of a tensor, and whether an element of it is NaN or infinite: row (Σ x², 0 or 1) of y [rows, 2].
//
//   squares:  one workgroup of 64 threads takes one piece of x [length]; pieces go to the rows from `row` on.
//   combine:  one workgroup adds up what `squares` made of the pieces: x is then [length, 2].
// Thread t adds the elements t, t + 64, …; the 64 partial sums are then added pairwise. The order of additions depends
// on the length alone, so that a rerun gives the same bits, and no sum is longer than a piece, so that digits are kept.
//
// What is not finite is found by its bits, all ones in the exponent, and counted beside the sum: a square of 1e30 makes
// the sum infinite and is no fault. x is bound as u32 because WGSL lets a compiler assume that floats are finite (its
// section "Differences from IEEE-754"): what it may assume of a float it cannot of bits that were loaded as such.
// Cost: one load an element.

struct Params {
  length: u32,
  piece: u32,  // elements of a piece; the last one may be shorter
  row: u32,
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const EXPONENT = 0x7f800000u;

var<workgroup> sums: array<f32, 64>;
var<workgroup> flags: array<u32, 64>;

fn add_up(thread: u32, sum: f32, flag: u32, row: u32) {
  sums[thread] = sum;
  flags[thread] = flag;
  for (var half = params.half; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (thread < half) {
      sums[thread] += sums[thread + half];
      flags[thread] |= flags[thread + half];
    }
  }
  if (thread == 0u) {
    y[2u * row] = sums[0];
    y[2u * row + 1u] = f32(flags[0]);
  }
}

@compute @workgroup_size(64)
fn squares(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let start = group.x * params.piece;
  let end = min(start + params.piece, params.length);
  var sum = 0.0;
  var flag = 0u;
  for (var l = start + thread; l < end; l += 64u) {
    let bits = x[l];
    let value = bitcast<f32>(bits);
    sum += value * value;
    flag |= select(0u, 1u, (bits & EXPONENT) == EXPONENT);
  }
  add_up(thread, sum, flag, params.row + group.x);
}

@compute @workgroup_size(64)
fn combine(@builtin(local_invocation_index) thread: u32) {
  var sum = 0.0;
  var flag = 0u;
  for (var l = thread; l < params.length; l += 64u) {
    sum += bitcast<f32>(x[2u * l]);
    flag |= select(0u, 1u, x[2u * l + 1u] != 0u);
  }
  add_up(thread, sum, flag, params.row);
}
