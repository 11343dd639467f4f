// running ← (1 − momentum) · running + momentum · statistic of the batch, for mean and variance, one thread a channel.
// The variance is biased; correction = count / (count − 1) makes the running one unbiased.
//
// Where the new value would be NaN or infinite, the old one stays. This update is part of the forward pass, before
// anyone can know that the step is bad and skip it; and a running statistic that is NaN once stays NaN, so that one bad
// batch would ruin the network for good. The test is one of bits, as `v != v` detects no NaN in WGSL; and of the bits
// that were loaded as well, as a compiler may assume that what it computes itself is finite.

struct Params {
  channels: u32,
  momentum: f32,
  correction: f32,
}

@group(0) @binding(0) var<storage, read> mean: array<u32>;      // bits of f32
@group(0) @binding(1) var<storage, read> variance: array<u32>;  // bits of f32
@group(0) @binding(2) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn finite(bits: u32) -> bool { return (bits & 0x7f800000u) != 0x7f800000u; }

fn moved(running: f32, statistic: u32, factor: f32) -> f32 {
  let next = mix(running, bitcast<f32>(statistic) * factor, params.momentum);
  return select(running, next, finite(statistic) && finite(bitcast<u32>(next)));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= params.channels) { return; }
  running_mean[c] = moved(running_mean[c], mean[c], 1.0);
  running_variance[c] = moved(running_variance[c], variance[c], params.correction);
}
