// The sides of x in another order: y [d5, …, d1, d0] takes the element of x at Σ_k i_k·s_k, where i_k is the index along
// side k of y (0 is the innermost) and s_k the stride of that side in x.
//
// RANK sides are used, the outermost of which needs no division. One thread an element; writes are contiguous.
// Cost: one load, one store an element. Copies bits: u32 stands for any type.

const RANK = 6u;

struct Params {
  count: u32,
  d0: u32, d1: u32, d2: u32, d3: u32, d4: u32,
  s0: u32, s1: u32, s2: u32, s3: u32, s4: u32,
  outermost: u32,  // stride of the outermost side
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

// Splits the index along the innermost side off `rest`.
fn split(rest: ptr<function, u32>, side: u32) -> u32 {
  let outer = *rest / side;
  let index = *rest - outer * side;
  *rest = outer;
  return index;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  var rest = i;
  var at = 0u;
  if (RANK > 1u) { at += split(&rest, params.d0) * params.s0; }
  if (RANK > 2u) { at += split(&rest, params.d1) * params.s1; }
  if (RANK > 3u) { at += split(&rest, params.d2) * params.s2; }
  if (RANK > 4u) { at += split(&rest, params.d3) * params.s3; }
  if (RANK > 5u) { at += split(&rest, params.d4) * params.s4; }
  y[i] = x[at + rest * params.outermost];
}
