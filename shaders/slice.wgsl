// A run of one side: y[o, i] = x[o, offset + i],
//
//   x [outer, pitch], y [outer, block]: the sides from the sliced one on are flat.
//
// One thread an element of y. Cost: one load, one store an element. Copies bits: u32 stands for any type.

struct Params {
  count: u32,  // outer · block
  block: u32,
  pitch: u32,
  offset: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  y[i] = x[i / params.block * (params.pitch - params.block) + i + params.offset];
}
