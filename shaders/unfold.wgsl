// The windows of x [planes, H, W] as columns: y [planes · KH · KW, rows · columns],
//
//   y[(plane, ky, kx), (row, column)] = x[plane, row·stride_y − padding + ky·dilation, … kx·dilation], zero outside.
//
// One thread a plane and window; it copies the KH·KW elements. Neighbouring threads write neighbouring elements.
// Cost: one load (overlapping windows share it), one store an element.

struct Params {
  count: u32,  // planes · rows · columns
  H: u32, W: u32,
  rows: u32, columns: u32,
  KH: u32, KW: u32,
  stride_y: u32, stride_x: u32,
  padding: u32,
  dilation: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let windows = params.rows * params.columns;
  let plane = i / windows;
  let window = i - plane * windows;
  let row = window / params.columns;
  let top = i32(row * params.stride_y) - i32(params.padding);
  let left = i32((window - row * params.columns) * params.stride_x) - i32(params.padding);
  var to = plane * params.KH * params.KW * windows + window;
  for (var ky = 0u; ky < params.KH; ky++) {
    let iy = top + i32(ky * params.dilation);
    let in_row = iy >= 0 && iy < i32(params.H);
    let start = i32(plane * params.H * params.W) + iy * i32(params.W);
    for (var kx = 0u; kx < params.KW; kx++) {
      let ix = left + i32(kx * params.dilation);
      var value = 0.0;
      if (in_row && ix >= 0 && ix < i32(params.W)) { value = x[start + ix]; }
      y[to] = value;
      to += windows;
    }
  }
}
