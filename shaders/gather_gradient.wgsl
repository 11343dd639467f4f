// dx [N, C, L] of y [N, C, J] of gather.wgsl: dx[n, c, l] = Σ dy[n, c, j] over the j with index[n, j] = l, ascending;
// 0 for an l that no j names.
//
// One thread a pair (n, l), with the list of its j from gather_lists.wgsl; it walks through `chunk` channels.
// Cost: one load an element of dy, one store an element.

struct Params {
  N: u32,
  C: u32,
  L: u32,
  J: u32,
  chunk: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> lists: array<u32>;
@group(0) @binding(2) var<storage, read> ends: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pair = id.x + id.y * groups.x * 64u;
  if (pair >= params.N * params.L) { return; }
  let n = pair / params.L;
  let l = pair - n * params.L;
  let first = n * params.J;
  var start = first;
  if (l > 0u) { start += ends[pair - 1u]; }
  let end = first + ends[pair];
  let c_end = min((id.z + 1u) * params.chunk, params.C);
  for (var c = id.z * params.chunk; c < c_end; c++) {
    let plane = n * params.C + c;
    var sum = 0.0;
    for (var i = start; i < end; i++) { sum += dy[plane * params.J + lists[i]]; }
    dx[plane * params.L + l] = sum;
  }
}
