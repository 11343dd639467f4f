// One operand of a concatenation: its blocks copied to their places in y. y[o, offset + i] = x[o, i],
//
//   x [outer, block], y [outer, pitch]: the sides from the concatenated one on are flat.
//
// One thread an element of x. Cost: one load, one store an element. Copies bits: u32 stands for any type.

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
  y[i / params.block * (params.pitch - params.block) + i + params.offset] = x[i];
}
