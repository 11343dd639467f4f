// 1 / max(|3×3 patch|, 1e-12) around each pixel, one thread a pixel: y [N, H, W] from squares [N, H, W] (patch_squares.wgsl).
// Beyond the map a patch repeats its edge (REPLICATE), or goes on at the opposite edge (WRAP).

const REPLICATE = 0u;
const WRAP = 1u;
const BORDER = REPLICATE;
const EPS = 1e-12;

struct Params { count: u32, H: i32, W: i32 }

@group(0) @binding(0) var<storage, read> squares: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

fn source(i: i32, side: i32) -> i32 {
  if (BORDER == REPLICATE) { return clamp(i, 0, side - 1); }
  return (i + side) % side;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let column = i32(i) % params.W;
  let row = i32(i) / params.W % params.H;
  let image = i32(i) / (params.W * params.H) * params.H * params.W;
  var sum = 0.0;
  for (var ty = -1; ty <= 1; ty++) {
    for (var tx = -1; tx <= 1; tx++) {
      sum += squares[image + source(row + ty, params.H) * params.W + source(column + tx, params.W)];
    }
  }
  y[i] = 1.0 / max(sqrt(sum), EPS);
}
