// running ← (1 − momentum) · running + momentum · statistic of the batch, for mean and variance, one thread a channel.
// The variance is biased; correction = count / (count − 1) makes the running one unbiased.

struct Params {
  channels: u32,
  momentum: f32,
  correction: f32,
}

@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= params.channels) { return; }
  running_mean[c] = mix(running_mean[c], mean[c], params.momentum);
  running_variance[c] = mix(running_variance[c], variance[c] * params.correction, params.momentum);
}
