// Prepares the input of a tiled convolution: x and concat as one tensor with a border of zeros.
//
//   y[n, c, i, j] = [x, concat][n, c, i − top, j − left], 0 outside
//   x [N, split, H, W], concat [N, C − split, H, W], y [N, C, PH, PW]. One thread an element of y.
// With the border, the convolution itself loads without asking where it is.

struct Params {
  count: u32,
  C: u32, split: u32, H: u32, W: u32,
  PH: u32, PW: u32,
  top: u32, left: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> concat: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  // Left of or above the border the difference wraps around to a large number, which is outside as well.
  let column = index % params.PW - params.left;
  let row = index / params.PW % params.PH - params.top;
  let plane = index / (params.PW * params.PH);
  let n = plane / params.C;
  let c = plane % params.C;
  var value = 0.0;
  if (row < params.H && column < params.W) {
    let pixel = row * params.W + column;
    let size = params.H * params.W;
    if (c < params.split) { value = x[(n * params.split + c) * size + pixel]; }
    else { value = concat[(n * (params.C - params.split) + c - params.split) * size + pixel]; }
  }
  y[index] = value;
}
