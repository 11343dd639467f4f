// Windows cut out of a feature map, one thread a pixel of a window.
//
//   y[b, c, i, j] = x[n, c, wrap(scale·origin_y[b] + i), wrap(scale·origin_x[b] + j)]
//   x [N, C, H, W]; origins [N, blocks], so n = b / blocks; y [N·blocks, C, height, width], in pixels of x.
//   A row or column below 0 counts from the end.

struct Params {
  count: u32,  // N·blocks·C·height·width
  blocks: u32, C: u32, H: i32, W: i32,
  height: u32, width: u32,
  scale: i32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> origin_x: array<i32>;
@group(0) @binding(2) var<storage, read> origin_y: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn wrap(i: i32, side: i32) -> i32 { return select(i, i + side, i < 0); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let j = i32(index % params.width);
  let i = i32(index / params.width % params.height);
  let plane = index / (params.width * params.height);
  let b = plane / params.C;
  let row = wrap(params.scale * origin_y[b] + i, params.H);
  let column = wrap(params.scale * origin_x[b] + j, params.W);
  let source = i32(b / params.blocks * params.C + plane % params.C);
  y[index] = x[(source * params.H + row) * params.W + column];
}
