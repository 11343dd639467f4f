// Sums over the middle side of x [outer, length, inner]: y[o, i] = factor · Σ_l x[o, l, i], in order of l.
//
// A thread has WIDTH outputs at once. For sums over slow sides (the batch, slabs of partial sums) and for short rows.
// Cost: one load an element.

alias Values = vec4f;  // f32 where inner is no multiple of 4
const WIDTH = 4u;      // of Values

struct Params {
  count: u32,    // outer · inner / WIDTH
  stretch: u32,  // of a workgroup
  length: u32,
  inner: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read_write> y: array<Values>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = (group.x + group.y * groups.x) * params.stretch;
  let inner = params.inner / WIDTH;
  for (var output = first + thread; output < min(first + params.stretch, params.count); output += 64u) {
    let start = output / inner * params.length * inner + output % inner;
    var sum = Values();
    for (var l = 0u; l < params.length; l++) { sum += x[start + l * inner]; }
    y[output] = params.factor * sum;
  }
}
