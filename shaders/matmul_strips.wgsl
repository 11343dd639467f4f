// y = a · b for every batch, for adapters that compute on the CPU: the bindings and constants of matmul.wgsl.
//
// A workgroup is one subgroup of 8 threads or more and makes 32 rows of 64 columns of y, a thread the columns j, j + 8, ….
// A load costs as much there as twenty multiply-adds whatever its address, and a broadcast next to nothing: for 4 steps of
// the inner index a thread loads its own 32 values of b, and 8 threads load 8 values of a at a time and pass them on. Four
// products are added before they meet the long sum: that loses fewer digits, and moves the sums less often.
// Rows and columns past the end are computed from what lies there, and not stored.
// Cost: 48 loads for 1024 multiply-adds of a thread.

enable subgroups;

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;
const COLUMNS = 8u;  // of a thread
const STEPS = 4u;

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

alias Sums = array<vec4f, 8u * COLUMNS>;
alias Strip = array<f32, STEPS * COLUMNS>;
alias Weights = array<vec4f, STEPS>;
alias Held = array<f32, STEPS>;

// Values out of the registers of threads 0 to 3, and of threads 4 to 7.
fn low(held: f32) -> vec4f {
  return vec4f(
    subgroupBroadcast(held, 0u), subgroupBroadcast(held, 1u), subgroupBroadcast(held, 2u), subgroupBroadcast(held, 3u),
  );
}
fn high(held: f32) -> vec4f {
  return vec4f(
    subgroupBroadcast(held, 4u), subgroupBroadcast(held, 5u), subgroupBroadcast(held, 6u), subgroupBroadcast(held, 7u),
  );
}

fn multiply(sums: ptr<function, Sums>, first: u32, strip: ptr<function, Strip>, w: Weights) {
  for (var c = 0u; c < COLUMNS; c++) {
    var sum = (*strip)[c] * w[0];
    for (var s = 1u; s < STEPS; s++) { sum += (*strip)[s * COLUMNS + c] * w[s]; }
    (*sums)[first + c] += sum;
  }
}

// Adds the products of eight rows, of which this thread loads row `i`; `first` is where their sums begin.
fn add_rows(sums: ptr<function, Sums>, first: u32, strip: ptr<function, Strip>, start: u32, i: u32, k: u32) {
  var held: Held;
  for (var s = 0u; s < STEPS; s++) {
    let value = a[start + select(i * params.inner + k + s, (k + s) * params.n + i, TRANSPOSE_A)];
    held[s] = select(0.0, value, k + s < params.inner);
  }
  var w: Weights;
  for (var s = 0u; s < STEPS; s++) { w[s] = low(held[s]); }
  multiply(sums, first, strip, w);
  for (var s = 0u; s < STEPS; s++) { w[s] = high(held[s]); }
  multiply(sums, first + COLUMNS, strip, w);
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let i0 = group.y * 32u;
  let j0 = group.x * 8u * COLUMNS + thread;
  let a_start = group.z / params.share * params.n * params.inner;
  let b_start = group.z * params.inner * params.m;
  let i = i0 + lane % 8u;
  var sums: Sums;
  for (var k = 0u; k < params.inner; k += STEPS) {
    var strip: Strip;
    for (var s = 0u; s < STEPS; s++) {
      // Past the last step a is 0, and b must be a number.
      let step = min(k + s, params.inner - 1u);
      for (var c = 0u; c < COLUMNS; c++) {
        let j = j0 + 8u * c;
        strip[s * COLUMNS + c] = b[b_start + select(step * params.m + j, j * params.inner + step, TRANSPOSE_B)];
      }
    }
    add_rows(&sums, 0u, &strip, a_start, i, k);
    add_rows(&sums, 2u * COLUMNS, &strip, a_start, i + 8u, k);
    add_rows(&sums, 4u * COLUMNS, &strip, a_start, i + 16u, k);
    add_rows(&sums, 6u * COLUMNS, &strip, a_start, i + 24u, k);
  }
  let y_start = group.z * params.n * params.m;
  for (var r = 0u; r < min(32u, params.n - i0); r++) {
    for (var c = 0u; c < COLUMNS; c++) {
      let j = j0 + 8u * c;
      if (j < params.m) { y[y_start + (i0 + r) * params.m + j] = sums[r / 4u * COLUMNS + c][r % 4u]; }
    }
  }
}
