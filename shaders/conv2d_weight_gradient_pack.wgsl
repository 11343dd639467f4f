// Orders dy for conv2d_weight_gradient_slab.wgsl: 16 output channels of a pixel side by side, pixels row by row.
//
//   packed[g, n, p, q, k] = dy[n, 16·g + k, p, q], 0 for channels and columns that dy does not have
//   dy [N, O, P, Q], packed [⌈O/16⌉, N, P, columns, 16]. One thread an element.

struct Params { count: u32, N: u32, O: u32, P: u32, Q: u32, columns: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let pixel = index / 16u;
  let q = pixel % params.columns;
  let p = pixel / params.columns % params.P;
  let n = pixel / (params.columns * params.P) % params.N;
  let o = pixel / (params.columns * params.P * params.N) * 16u + index % 16u;
  var value = 0.0;
  if (o < params.O && q < params.Q) { value = dy[((n * params.O + o) * params.P + p) * params.Q + q]; }
  packed[index] = value;
}
