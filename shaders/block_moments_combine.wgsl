// Mean and variance (or its root) of every group of planes, from the moments of their blocks: mean, spread [groups].
//
//   part_mean, part_deviation [batches, groups, rows, columns] (block_moments.wgsl); a group is a plane (batches = 1,
//   groups = N·C) or a channel (batches = N, groups = C).
//   mean = Σ size·part_mean / count;  variance = (Σ part_deviation + Σ size·(part_mean − mean)²) / divisor
//   (Chan, Golub, LeVeque 1983, for any number of parts).
// One thread per group, in order of batch and block. Cost: four loads per block.

const BLOCK = 32u;
const ROOT = false;  // spread is the standard deviation instead of the variance

struct Params {
  batches: u32,
  groups: u32,
  H: u32,
  W: u32,
  rows: u32,  // of blocks
  columns: u32,
  divisor: f32,
}

@group(0) @binding(0) var<storage, read> part_mean: array<f32>;
@group(0) @binding(1) var<storage, read> part_deviation: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> spread: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn part(batch: u32, g: u32, p: u32) -> u32 {
  return (batch * params.groups + g) * params.rows * params.columns + p;
}

fn size(p: u32) -> f32 {
  let top = p / params.columns * BLOCK;
  let left = p % params.columns * BLOCK;
  return f32(min(BLOCK, params.H - top) * min(BLOCK, params.W - left));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let g = id.x + id.y * groups.x * 64u;
  if (g >= params.groups) { return; }
  let origin = part_mean[part(0u, g, 0u)];
  var sum = 0.0;
  for (var batch = 0u; batch < params.batches; batch++) {
    for (var p = 0u; p < params.rows * params.columns; p++) { sum += size(p) * (part_mean[part(batch, g, p)] - origin); }
  }
  let centre = origin + sum / f32(params.batches * params.H * params.W);
  var deviation = 0.0;
  for (var batch = 0u; batch < params.batches; batch++) {
    for (var p = 0u; p < params.rows * params.columns; p++) {
      let i = part(batch, g, p);
      let difference = part_mean[i] - centre;
      deviation += part_deviation[i] + size(p) * difference * difference;
    }
  }
  let variance = deviation / params.divisor;
  mean[g] = centre;
  spread[g] = select(variance, sqrt(variance), ROOT);
}
