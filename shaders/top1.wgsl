// The largest element of every row of x [rows, n]: values [rows], indices [rows]. Of equal ones the first wins.
//
// One workgroup a row: thread t looks at the elements t, t + THREADS, …, then the threads' best are compared pairwise.
// Which element wins does not depend on the order. A row with NaN gives an index within it, which one is undefined.
// Cost: n loads a row.

const THREADS = 64u;

struct Params {
  rows: u32,
  n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> best_values: array<f32, THREADS>;
var<workgroup> best_indices: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= params.rows) { return; }
  let start = row * params.n;
  // A thread without an element repeats the first, which cannot win over itself.
  var index = select(0u, thread, thread < params.n);
  var value = x[start + index];
  for (var i = index + THREADS; i < params.n; i += THREADS) {
    let other = x[start + i];
    if (other > value) {
      value = other;
      index = i;
    }
  }
  best_values[thread] = value;
  best_indices[thread] = index;
  for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (thread < reach) {
      let other = best_values[thread + reach];
      let other_index = best_indices[thread + reach];
      let own = best_values[thread];
      if (other > own || (other == own && other_index < best_indices[thread])) {
        best_values[thread] = other;
        best_indices[thread] = other_index;
      }
    }
  }
  if (thread == 0u) {
    values[row] = best_values[0];
    indices[row] = i32(best_indices[0]);
  }
}
