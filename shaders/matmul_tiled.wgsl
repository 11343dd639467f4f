// y = a · b for every batch, a workgroup for every 16 × 16 tile of y: the bindings and constants of matmul.wgsl.
//
// For every 16 steps of the inner index the 256 threads bring a tile of a and one of b to shared memory, neighbours in a
// row loading neighbours in memory, whether or not the operand is transposed; outside the matrices they put 0. Thread
// (x, y) then adds 16 products to its element. Sums run in order of the inner index, as in matmul.wgsl.
// Cost: two loads from memory a 16 products; 2 KiB shared.

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;
const TILE = 16u;

struct Params {
  batches: u32,
  n: u32,
  m: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Rows are one longer than the tile: reading a column then meets every bank of the memory once.
var<workgroup> a_tile: array<array<f32, 17>, 16>;  // [i][k]
var<workgroup> b_tile: array<array<f32, 17>, 16>;  // [k][j]

fn load_a(batch: u32, i: u32, k: u32) -> f32 {
  if (i >= params.n || k >= params.inner) { return 0.0; }
  let start = batch * params.n * params.inner;
  return a[start + select(i * params.inner + k, k * params.n + i, TRANSPOSE_A)];
}

fn load_b(batch: u32, k: u32, j: u32) -> f32 {
  if (j >= params.m || k >= params.inner) { return 0.0; }
  let start = batch * params.m * params.inner;
  return b[start + select(k * params.m + j, j * params.inner + k, TRANSPOSE_B)];
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let batch = group.z;
  let i0 = group.y * TILE;
  let j0 = group.x * TILE;
  let fast = local.x;
  let slow = local.y;
  var sum = 0.0;
  for (var k0 = 0u; k0 < params.inner; k0 += TILE) {
    if (TRANSPOSE_A) { a_tile[fast][slow] = load_a(batch, i0 + fast, k0 + slow); }
    else { a_tile[slow][fast] = load_a(batch, i0 + slow, k0 + fast); }
    if (TRANSPOSE_B) { b_tile[fast][slow] = load_b(batch, k0 + fast, j0 + slow); }
    else { b_tile[slow][fast] = load_b(batch, k0 + slow, j0 + fast); }
    workgroupBarrier();
    for (var k = 0u; k < TILE; k++) { sum += a_tile[slow][k] * b_tile[k][fast]; }
    workgroupBarrier();
  }
  let i = i0 + slow;
  let j = j0 + fast;
  if (i < params.n && j < params.m) { y[(batch * params.n + i) * params.m + j] = sum; }
}
