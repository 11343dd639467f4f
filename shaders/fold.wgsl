// The adjoint of unfold.wgsl: y [planes, H, W] sums, for every pixel, the elements of the columns
// x [planes · KH · KW, rows · columns] that unfold would copy from it.
//
// One thread a pixel gathers from the windows that cover it, by rows then columns of windows: no atomics, and the order
// of the sum is fixed. Cost: ⌈KH/stride_y⌉·⌈KW/stride_x⌉ loads an element.

const DILATION = 1u;

struct Params {
  count: u32,  // planes · H · W
  H: u32, W: u32,
  rows: u32, columns: u32,
  KH: u32, KW: u32,
  stride_y: u32, stride_x: u32,
  padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// The first window, along one side, whose last tap is at the padded position p or behind it.
fn first_window(p: u32, kernel: u32, stride: u32) -> u32 {
  let reach = (kernel - 1u) * DILATION;
  return (max(p, reach) - reach + stride - 1u) / stride;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let row_of_all = i / params.W;
  let plane = row_of_all / params.H;
  let py = row_of_all - plane * params.H + params.padding;
  let px = i - row_of_all * params.W + params.padding;
  let top = first_window(py, params.KH, params.stride_y);
  let bottom = min(py / params.stride_y + 1u, params.rows);
  let left = first_window(px, params.KW, params.stride_x);
  let right = min(px / params.stride_x + 1u, params.columns);
  var sum = 0.0;
  for (var row = top; row < bottom; row++) {
    let y_offset = py - row * params.stride_y;
    let ky = y_offset / DILATION;
    if (ky * DILATION != y_offset) { continue; }
    for (var column = left; column < right; column++) {
      let x_offset = px - column * params.stride_x;
      let kx = x_offset / DILATION;
      if (kx * DILATION != x_offset) { continue; }
      let line = (plane * params.KH + ky) * params.KW + kx;
      sum += x[(line * params.rows + row) * params.columns + column];
    }
  }
  y[i] = sum;
}
