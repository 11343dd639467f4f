// y = a · b for every batch, for CPU adapters: the bindings and constants of matmul.wgsl.
//
// A workgroup is one subgroup of 8 threads or more and makes 32 rows of 64 columns of y, thread t the columns 8t … 8t + 7.
// A load costs as much there as twenty multiply-adds whatever its address, of a vector little more, and a broadcast next to
// nothing: for 4 steps of the inner index a thread loads its own 8 vectors of b, and 8 threads load 4 vectors of a and hand
// them on. Four products are added before they meet the long sum: that loses fewer digits, and moves the sums less often.
// Rows and columns past the end are computed from what lies there, and not stored.
// Cost: 12 loads of vectors for 1024 multiply-adds of a thread.

enable subgroups;

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;
alias Values = vec4f;  // f32 where the rows of a or b, as they are stored, are no multiple of 4
const WIDTH = 4u;      // of Values

struct Params {
  batches: u32,
  share: u32,  // batches of b in a row that meet one of a
  n: u32,
  m: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> a: array<Values>;
@group(0) @binding(1) var<storage, read> b: array<Values>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

alias Sums = array<vec4f, 64>;    // [row][half of the columns]
alias Columns = array<vec4f, 8>;  // [step][half of the columns]
alias Held = array<vec4f, 4>;     // rows of a that a thread holds, or steps where a is transposed

// Four values that are stored side by side.
fn four_of_a(at: u32) -> vec4f {
  if (WIDTH == 4u) { return vec4f(a[at / 4u]); }
  return vec4f(vec4f(a[at]).x, vec4f(a[at + 1u]).x, vec4f(a[at + 2u]).x, vec4f(a[at + 3u]).x);
}
// The same, with the last one instead of those beyond it.
fn four_of_b(at: u32, last: u32) -> vec4f {
  if (WIDTH == 4u) { return vec4f(b[at / 4u]); }
  let steps = min(vec4u(0u, 1u, 2u, 3u), vec4u(last));
  return vec4f(vec4f(b[at]).x, vec4f(b[at + steps.y]).x, vec4f(b[at + steps.z]).x, vec4f(b[at + steps.w]).x);
}

// Four steps of row r of a.
fn row(held: ptr<function, Held>, r: u32) -> vec4f {
  if (!TRANSPOSE_A) { return subgroupShuffle((*held)[r / 8u], r % 8u); }
  return vec4f(
    subgroupShuffle((*held)[0][r % 4u], r / 4u), subgroupShuffle((*held)[1][r % 4u], r / 4u),
    subgroupShuffle((*held)[2][r % 4u], r / 4u), subgroupShuffle((*held)[3][r % 4u], r / 4u),
  );
}

fn multiply(sums: ptr<function, Sums>, r: u32, columns: ptr<function, Columns>, held: ptr<function, Held>) {
  let w = row(held, r);
  var low = (*columns)[0] * w.x;
  var high = (*columns)[1] * w.x;
  low += (*columns)[2] * w.y;
  high += (*columns)[3] * w.y;
  low += (*columns)[4] * w.z;
  high += (*columns)[5] * w.z;
  low += (*columns)[6] * w.w;
  high += (*columns)[7] * w.w;
  (*sums)[2u * r] += low;
  (*sums)[2u * r + 1u] += high;
}

// Written out eight times: Mesa leaves a loop of large bodies a loop, and would then find every sum by its index.
fn multiply_eight(sums: ptr<function, Sums>, r: u32, columns: ptr<function, Columns>, held: ptr<function, Held>) {
  multiply(sums, r, columns, held);
  multiply(sums, r + 1u, columns, held);
  multiply(sums, r + 2u, columns, held);
  multiply(sums, r + 3u, columns, held);
  multiply(sums, r + 4u, columns, held);
  multiply(sums, r + 5u, columns, held);
  multiply(sums, r + 6u, columns, held);
  multiply(sums, r + 7u, columns, held);
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let i0 = group.y * 32u;
  let j0 = group.x * 64u + 8u * thread;
  let a_start = group.z / params.share * params.n * params.inner;
  let b_start = group.z * params.inner * params.m;
  var sums: Sums;
  for (var k = 0u; k < params.inner; k += 4u) {
    // Past the last step a is taken as 0, and b must be a number.
    let last = params.inner - 1u - k;
    let inside = vec4u(0u, 1u, 2u, 3u) <= vec4u(last);
    var held: Held;
    for (var s = 0u; s < 4u; s++) {
      if (TRANSPOSE_A) {
        held[s] = select(vec4f(), four_of_a(a_start + (k + s) * params.n + i0 + lane % 8u * 4u), s <= last);
      } else {
        held[s] = select(vec4f(), four_of_a(a_start + (i0 + 8u * s + lane % 8u) * params.inner + k), inside);
      }
    }
    var columns: Columns;
    if (TRANSPOSE_B) {
      var rows: Columns;
      for (var j = 0u; j < 8u; j++) { rows[j] = four_of_b(b_start + (j0 + j) * params.inner + k, last); }
      let low = transpose(mat4x4f(rows[0], rows[1], rows[2], rows[3]));
      let high = transpose(mat4x4f(rows[4], rows[5], rows[6], rows[7]));
      for (var s = 0u; s < 4u; s++) {
        columns[2u * s] = low[s];
        columns[2u * s + 1u] = high[s];
      }
    } else {
      for (var s = 0u; s < 4u; s++) {
        let at = b_start + (k + min(s, last)) * params.m + j0;
        columns[2u * s] = four_of_b(at, 3u);
        columns[2u * s + 1u] = four_of_b(at + 4u, 3u);
      }
    }
    multiply_eight(&sums, 0u, &columns, &held);
    multiply_eight(&sums, 8u, &columns, &held);
    multiply_eight(&sums, 16u, &columns, &held);
    multiply_eight(&sums, 24u, &columns, &held);
  }
  let y_start = group.z * params.n * params.m;
  for (var r = 0u; r < min(32u, params.n - i0); r++) {
    let at = y_start + (i0 + r) * params.m + j0;
    let low = sums[2u * r];
    let high = sums[2u * r + 1u];
    if (j0 + 8u <= params.m) {
      y[at] = low.x;
      y[at + 1u] = low.y;
      y[at + 2u] = low.z;
      y[at + 3u] = low.w;
      y[at + 4u] = high.x;
      y[at + 5u] = high.y;
      y[at + 6u] = high.z;
      y[at + 7u] = high.w;
    } else {
      for (var k = 0u; k < 4u; k++) {
        if (j0 + k < params.m) { y[at + k] = low[k]; }
        if (j0 + 4u + k < params.m) { y[at + 4u + k] = high[k]; }
      }
    }
  }
}
