// y = a · b for every batch, a workgroup for every 64 × 64 tile of y: the bindings and constants of matmul.wgsl.
//
// For every 16 steps of the inner index the 256 threads bring 64 rows of a and 64 columns of b to shared memory, a
// vector of four each, neighbours loading neighbours in memory whether or not the operand is transposed; outside the
// matrices they put 0. A thread then adds 16 products to each of its 4 × 4 elements, from two vectors a step. Sums run
// in order of the inner index, as in matmul.wgsl.
// Cost: a load from memory for 32 products, a vector from shared memory for 8; 8.5 KiB shared.

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;
const TILE = 64u;
const STEPS = 16u;

struct Params {
  batches: u32,
  share: u32,  // batches of b in a row that meet one of a
  n: u32,
  m: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Rows are one longer than the tile: writing a column then meets every bank of the memory.
var<workgroup> a_tile: array<array<vec4f, 17>, 16>;  // [step][row / 4]
var<workgroup> b_tile: array<array<vec4f, 17>, 16>;  // [step][column / 4]

fn load_a(start: u32, i: u32, k: u32) -> f32 {
  if (i >= params.n || k >= params.inner) { return 0.0; }
  return a[start + select(i * params.inner + k, k * params.n + i, TRANSPOSE_A)];
}

fn load_b(start: u32, k: u32, j: u32) -> f32 {
  if (j >= params.m || k >= params.inner) { return 0.0; }
  return b[start + select(k * params.m + j, j * params.inner + k, TRANSPOSE_B)];
}

fn store(start: u32, i: u32, j: u32, values: vec4f) {
  if (i >= params.n) { return; }
  for (var c = 0u; c < 4u; c++) { if (j + c < params.m) { y[start + i * params.m + j + c] = values[c]; } }
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i0 = group.y * TILE;
  let j0 = group.x * TILE;
  let a_start = group.z / params.share * params.n * params.inner;
  let b_start = group.z * params.m * params.inner;
  // Which vector a thread loads: its step and its four rows or columns; the contiguous index varies fastest.
  let a_step = select(local.x, local.y, TRANSPOSE_A);
  let a_four = select(local.y, local.x, TRANSPOSE_A);
  let b_step = select(local.y, local.x, TRANSPOSE_B);
  let b_four = select(local.x, local.y, TRANSPOSE_B);
  var sums: array<vec4f, 4>;
  for (var k0 = 0u; k0 < params.inner; k0 += STEPS) {
    let i = i0 + 4u * a_four;
    let ka = k0 + a_step;
    a_tile[a_step][a_four] = vec4f(
      load_a(a_start, i, ka), load_a(a_start, i + 1u, ka), load_a(a_start, i + 2u, ka), load_a(a_start, i + 3u, ka));
    let j = j0 + 4u * b_four;
    let kb = k0 + b_step;
    b_tile[b_step][b_four] = vec4f(
      load_b(b_start, kb, j), load_b(b_start, kb, j + 1u), load_b(b_start, kb, j + 2u), load_b(b_start, kb, j + 3u));
    workgroupBarrier();
    for (var k = 0u; k < STEPS; k++) {
      let p = a_tile[k][local.y];
      let q = b_tile[k][local.x];
      sums[0] += p.x * q;
      sums[1] += p.y * q;
      sums[2] += p.z * q;
      sums[3] += p.w * q;
    }
    workgroupBarrier();
  }
  let start = group.z * params.n * params.m;
  for (var r = 0u; r < 4u; r++) { store(start, i0 + 4u * local.y + r, j0 + 4u * local.x, sums[r]); }
}
