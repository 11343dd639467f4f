// Gradient of crop_windows, one thread a pixel of dx, which adds up what the windows hold of it in order of the blocks.
//
//   dx[n, c, row, column] = Σ dy[b, c, i, j] over the blocks b of n and the (i, j) that were cut from there
//   dx [N, C, H, W], dy [N·blocks, C, height, width]; a window larger than the map may hold a pixel twice a side.

struct Params {
  count: u32,  // N·C·H·W
  blocks: u32, C: u32, H: i32, W: i32,
  height: i32, width: i32,
  scale: i32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> origin_x: array<i32>;
@group(0) @binding(2) var<storage, read> origin_y: array<i32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let column = i32(index) % params.W;
  let row = i32(index) / params.W % params.H;
  let plane = index / u32(params.W * params.H);
  let c = plane % params.C;
  let first = plane / params.C * params.blocks;
  var sum = 0.0;
  for (var b = first; b < first + params.blocks; b++) {
    // Without wrapping the pixel is i = row − origin of the window; a wrapped one is a whole map before that.
    let bottom = row - params.scale * origin_y[b];
    let right = column - params.scale * origin_x[b];
    for (var i = bottom - params.H; i <= bottom; i += params.H) {
      if (i < 0 || i >= params.height) { continue; }
      for (var j = right - params.W; j <= right; j += params.W) {
        if (j < 0 || j >= params.width) { continue; }
        sum += dy[((i32(b * params.C + c)) * params.height + i) * params.width + j];
      }
    }
  }
  dx[index] = sum;
}
