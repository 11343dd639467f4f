// y [planes, OH, OW] = x [planes, H, W] with its border repeated: y[oy, ox] = x[oy − top, ox − left], held inside.
//
// One thread a position of y; it walks through `chunk` planes. Cost: one load, one store an element.

struct Params {
  planes: u32,
  chunk: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
  top: u32, left: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let position = id.x + id.y * groups.x * 64u;
  let area = params.OH * params.OW;
  if (position >= area) { return; }
  let oy = position / params.OW;
  let ox = position - oy * params.OW;
  let iy = clamp(oy, params.top, params.top + params.H - 1u) - params.top;
  let ix = clamp(ox, params.left, params.left + params.W - 1u) - params.left;
  let end = min((id.z + 1u) * params.chunk, params.planes);
  for (var plane = id.z * params.chunk; plane < end; plane++) {
    y[plane * area + position] = x[(plane * params.H + iy) * params.W + ix];
  }
}
