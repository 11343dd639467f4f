// y [N, C, J] = x [N, C, L] at index [N, J]: y[n, c, j] = x[n, c, index[n, j]].
//
// One thread a pair (n, j); it reads its index once and walks through `chunk` channels. Indices must lie in [0, L).
// Cost: one load, one store an element.

struct Params {
  N: u32,
  C: u32,
  L: u32,
  J: u32,
  chunk: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pair = id.x + id.y * groups.x * 64u;
  if (pair >= params.N * params.J) { return; }
  let n = pair / params.J;
  let j = pair - n * params.J;
  let l = u32(index[pair]);
  let end = min((id.z + 1u) * params.chunk, params.C);
  for (var c = id.z * params.chunk; c < end; c++) {
    let plane = n * params.C + c;
    y[plane * params.J + j] = x[plane * params.L + l];
  }
}
