// dx [planes, H, W] of y [planes, OH, OW] of replicate_pad.wgsl: a pixel inside takes its own dy, one at the border the
// sum of all that repeat it, row by row.
//
// One thread a position of dx; it walks through `chunk` planes. Cost: one load, one store an element inside.

struct Params {
  planes: u32,
  chunk: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
  top: u32, left: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let position = id.x + id.y * groups.x * 64u;
  let area = params.H * params.W;
  if (position >= area) { return; }
  let iy = position / params.W;
  let ix = position - iy * params.W;
  let top = select(iy + params.top, 0u, iy == 0u);
  let bottom = select(iy + params.top + 1u, params.OH, iy + 1u == params.H);
  let left = select(ix + params.left, 0u, ix == 0u);
  let right = select(ix + params.left + 1u, params.OW, ix + 1u == params.W);
  let end = min((id.z + 1u) * params.chunk, params.planes);
  for (var plane = id.z * params.chunk; plane < end; plane++) {
    var sum = 0.0;
    for (var oy = top; oy < bottom; oy++) {
      for (var ox = left; ox < right; ox++) { sum += dy[(plane * params.OH + oy) * params.OW + ox]; }
    }
    dx[plane * area + position] = sum;
  }
}
