// Adds the sums of pieces up to sums of groups: part_sums, part_products [batches, groups, pieces] → sums, products
// [groups]. One thread a group, in order of batch and piece. Cost: two loads a piece.

struct Params {
  batches: u32,
  groups: u32,
  pieces: u32,
}

@group(0) @binding(0) var<storage, read> part_sums: array<f32>;
@group(0) @binding(1) var<storage, read> part_products: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> products: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let g = id.x + id.y * groups.x * 64u;
  if (g >= params.groups) { return; }
  var sum = 0.0;
  var product = 0.0;
  for (var batch = 0u; batch < params.batches; batch++) {
    let start = (batch * params.groups + g) * params.pieces;
    for (var i = start; i < start + params.pieces; i++) {
      sum += part_sums[i];
      product += part_products[i];
    }
  }
  sums[g] = sum;
  products[g] = product;
}
