// y [planes, OH, OW] = x [planes, H, W] resized bilinearly, corners not aligned. Along either side
//
//   y[o] = (1 − λ)·x[i] + λ·x[i + 1],   i + λ = max(0, (o + ½)·H/OH − ½),   i + 1 held inside.
//
// i + λ is the fraction ((2·o + 1)·H − OH) / (2·OH): divided in whole numbers, no rounding can move a tap.
// One thread a position of y: it finds its four taps once, then walks through `chunk` planes.
// Cost: four loads (neighbours share them) and one store an element.

struct Params {
  planes: u32,
  chunk: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
}

alias StoredX = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(2) var<uniform> params: Params;

struct Taps {
  first: u32,
  second: u32,
  weights: vec2f,
}

fn taps(o: u32, side: u32, out_side: u32) -> Taps {
  let whole = 2u * out_side;
  let position = max((2u * o + 1u) * side, out_side) - out_side;
  let first = position / whole;
  let part = position - first * whole;
  return Taps(first, min(first + 1u, side - 1u), vec2f(f32(whole - part), f32(part)) / f32(whole));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let position = id.x + id.y * groups.x * 64u;
  let area = params.OH * params.OW;
  if (position >= area) { return; }
  let oy = position / params.OW;
  let rows = taps(oy, params.H, params.OH);
  let columns = taps(position - oy * params.OW, params.W, params.OW);
  let end = min((id.z + 1u) * params.chunk, params.planes);
  for (var plane = id.z * params.chunk; plane < end; plane++) {
    let top = (plane * params.H + rows.first) * params.W;
    let bottom = (plane * params.H + rows.second) * params.W;
    let above = dot(columns.weights, vec2f(vec2(x[top + columns.first], x[top + columns.second])));
    let below = dot(columns.weights, vec2f(vec2(x[bottom + columns.first], x[bottom + columns.second])));
    y[plane * area + position] = StoredY(dot(rows.weights, vec2f(above, below)));
  }
}
