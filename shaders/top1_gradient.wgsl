// dx [rows, n] of the values of top1.wgsl: dy[row] at the winner of each row, 0 elsewhere. One thread an element.

struct Params {
  count: u32,  // rows · n
  n: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let row = i / params.n;
  dx[i] = select(0.0, dy[row], i - row * params.n == u32(indices[row]));
}
