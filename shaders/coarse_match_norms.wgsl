// Lengths of the dilated 3×3 patches of Ref↓, one thread a value:
//
//   norms[n, d, y, x] = max(√(Σ_t squares[n, (y, x) + DILATIONS[d]·t]), 1e-12),  t in {−1, 0, 1}²     [N, COUNT, H, W]
//   squares [N, H, W] (patch_squares.wgsl), 0 outside.

const COUNT = 3u;
const DILATIONS = array<i32, COUNT>(1, 2, 3);
const EPS = 1e-12;

struct Params { count: u32, H: i32, W: i32 }

@group(0) @binding(0) var<storage, read> squares: array<f32>;
@group(0) @binding(1) var<storage, read_write> norms: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let plane = params.H * params.W;
  let x = i32(i) % params.W;
  let y = i32(i) % plane / params.W;
  let map = i / u32(plane);
  let dilation = DILATIONS[map % COUNT];
  let image = i32(map / COUNT) * plane;
  var sum = 0.0;
  for (var ty = -1; ty <= 1; ty++) {
    for (var tx = -1; tx <= 1; tx++) {
      let row = y + dilation * ty;
      let column = x + dilation * tx;
      if (row >= 0 && row < params.H && column >= 0 && column < params.W) { sum += squares[image + row * params.W + column]; }
    }
  }
  norms[i] = max(sqrt(sum), EPS);
}
