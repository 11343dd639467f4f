// y = a · b for every batch, a workgroup for every ROWS × COLUMNS tile of y: the bindings and constants of matmul.wgsl.
//
// For every STEPS steps of the inner index the threads bring the tile's rows of a and columns of b to workgroup memory as they
// are stored, in vectors of four; beyond the inner index they put 0. A thread then adds STEPS products to each of its 8 rows ×
// 4·QUADS columns, four steps at a time. What it computes of rows and columns past the end, from whatever lies there, is not
// stored. Sums run in order of the inner index, as in matmul.wgsl.
// Cost: a vector from memory for 512 products of 128 × 128 elements; 8 + 4·QUADS vectors from workgroup memory for 128·QUADS.

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;
const ROWS = 128u;     // multiples of 16
const COLUMNS = 128u;
const QUADS = 2u;      // 1 or 2
const STEPS = 16u;
alias Values = vec4f;  // f32 where the rows of a or b, as they are stored, are no multiple of 4
const WIDTH = 4u;      // of Values

const ACROSS = COLUMNS / (4u * QUADS);  // threads of a row
const DOWN = ROWS / 8u;
const THREADS = ACROSS * DOWN;
const A_VECTORS = ROWS * STEPS / 4u;  // multiples of THREADS
const B_VECTORS = COLUMNS * STEPS / 4u;
const A_LOADS = A_VECTORS / THREADS;
const B_LOADS = B_VECTORS / THREADS;
// Vectors of a stored row, in a tile: along the inner index, or across it.
const A_LINE = select(STEPS, ROWS, TRANSPOSE_A) / 4u;
const B_LINE = select(COLUMNS, STEPS, TRANSPOSE_B) / 4u;

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

var<workgroup> a_tile: array<vec4f, A_VECTORS>;
var<workgroup> b_tile: array<vec4f, B_VECTORS>;

alias Sums = array<vec4f, 16>;  // [half of the columns][row]
alias Four = array<vec4f, 4>;   // four steps of four rows or columns

// Four values that are stored side by side.
fn four_of_a(at: u32) -> vec4f {
  if (WIDTH == 4u) { return vec4f(a[at / 4u]); }
  return vec4f(vec4f(a[at]).x, vec4f(a[at + 1u]).x, vec4f(a[at + 2u]).x, vec4f(a[at + 3u]).x);
}
fn four_of_b(at: u32) -> vec4f {
  if (WIDTH == 4u) { return vec4f(b[at / 4u]); }
  return vec4f(vec4f(b[at]).x, vec4f(b[at + 1u]).x, vec4f(b[at + 2u]).x, vec4f(b[at + 3u]).x);
}

// Those of the values that are before the end of the inner index.
fn inside(values: vec4f, k: u32, along: bool) -> vec4f {
  if (!along || WIDTH == 4u) { return select(vec4f(), values, k < params.inner); }
  return select(vec4f(), values, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(params.inner));
}

fn turned(v: Four) -> Four {
  let t = transpose(mat4x4f(v[0], v[1], v[2], v[3]));
  return Four(t[0], t[1], t[2], t[3]);
}

// Adds the products of one step, with four of the columns.
fn step(sums: ptr<function, Sums>, half: u32, rows: vec4f, more: vec4f, columns: vec4f) {
  (*sums)[half] += rows.x * columns;
  (*sums)[half + 1u] += rows.y * columns;
  (*sums)[half + 2u] += rows.z * columns;
  (*sums)[half + 3u] += rows.w * columns;
  (*sums)[half + 4u] += more.x * columns;
  (*sums)[half + 5u] += more.y * columns;
  (*sums)[half + 6u] += more.z * columns;
  (*sums)[half + 7u] += more.w * columns;
}

// Row r of the eight of thread `down`, and the first of four columns of thread `across`. Neighbours in a subgroup read neighbours.
fn row_of(down: u32, r: u32) -> u32 { return select(down + r * DOWN, r / 4u * (ROWS / 2u) + 4u * down + r % 4u, TRANSPOSE_A); }
fn column_of(across: u32, quad: u32) -> u32 { return quad * (COLUMNS / 2u) + 4u * across; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i0 = group.y * ROWS;
  let j0 = group.x * COLUMNS;
  let across = thread % ACROSS;
  let down = thread / ACROSS;
  let a_start = group.z / params.share * params.n * params.inner;
  let b_start = group.z * params.inner * params.m;
  let a_step = select(1u, params.n, TRANSPOSE_A);
  let b_step = select(params.m, 1u, TRANSPOSE_B);
  // Steps and places of the vectors that this thread loads, in the first slice.
  var a_k: array<u32, A_LOADS>;
  var a_at: array<u32, A_LOADS>;
  for (var l = 0u; l < A_LOADS; l++) {
    let line = (thread + l * THREADS) / A_LINE;
    let place = (thread + l * THREADS) % A_LINE * 4u;
    a_k[l] = select(place, line, TRANSPOSE_A);
    a_at[l] = a_start + select(min(i0 + line, params.n - 1u) * params.inner + place, line * params.n + i0 + place, TRANSPOSE_A);
  }
  var b_k: array<u32, B_LOADS>;
  var b_at: array<u32, B_LOADS>;
  for (var l = 0u; l < B_LOADS; l++) {
    let line = (thread + l * THREADS) / B_LINE;
    let place = (thread + l * THREADS) % B_LINE * 4u;
    b_k[l] = select(line, place, TRANSPOSE_B);
    b_at[l] = b_start + select(line * params.m + j0 + place, min(j0 + line, params.m - 1u) * params.inner + place, TRANSPOSE_B);
  }
  var sums: Sums;
  for (var k0 = 0u; k0 < params.inner; k0 += STEPS) {
    for (var l = 0u; l < A_LOADS; l++) {
      a_tile[thread + l * THREADS] = inside(four_of_a(a_at[l] + k0 * a_step), k0 + a_k[l], !TRANSPOSE_A);
    }
    for (var l = 0u; l < B_LOADS; l++) {
      b_tile[thread + l * THREADS] = inside(four_of_b(b_at[l] + k0 * b_step), k0 + b_k[l], TRANSPOSE_B);
    }
    workgroupBarrier();
    for (var k = 0u; k < STEPS / 4u; k++) {
      var low: Four;
      var high: Four;
      for (var r = 0u; r < 4u; r++) {
        if (TRANSPOSE_A) {
          low[r] = a_tile[down + (4u * k + r) * A_LINE];
          high[r] = a_tile[down + (4u * k + r) * A_LINE + A_LINE / 2u];
        } else {
          low[r] = a_tile[(down + r * DOWN) * A_LINE + k];
          high[r] = a_tile[(down + (r + 4u) * DOWN) * A_LINE + k];
        }
      }
      if (!TRANSPOSE_A) {
        low = turned(low);
        high = turned(high);
      }
      for (var quad = 0u; quad < QUADS; quad++) {
        var columns: Four;
        for (var c = 0u; c < 4u; c++) {
          if (TRANSPOSE_B) {
            columns[c] = b_tile[(4u * across + c) * B_LINE + quad * (COLUMNS / 2u) * B_LINE + k];
          } else {
            columns[c] = b_tile[across + (4u * k + c) * B_LINE + quad * (B_LINE / 2u)];
          }
        }
        if (TRANSPOSE_B) { columns = turned(columns); }
        step(&sums, 8u * quad, low[0], high[0], columns[0]);
        step(&sums, 8u * quad, low[1], high[1], columns[1]);
        step(&sums, 8u * quad, low[2], high[2], columns[2]);
        step(&sums, 8u * quad, low[3], high[3], columns[3]);
      }
    }
    workgroupBarrier();
  }
  let start = group.z * params.n * params.m;
  for (var r = 0u; r < 8u; r++) {
    let i = i0 + row_of(down, r);
    if (i < params.n) {
      for (var quad = 0u; quad < QUADS; quad++) {
        store(start + i * params.m, j0 + column_of(across, quad), sums[8u * quad + r]);
      }
    }
  }
}

fn store(row: u32, j: u32, values: vec4f) {
  for (var c = 0u; c < 4u; c++) { if (j + c < params.m) { y[row + j + c] = values[c]; } }
}
