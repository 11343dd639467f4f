// Extraction: each output pixel is the mean of the pixels that up to nine matched patches lay on it, times the attention.
//
//   y[n, c, SCALE·p + u] = weight[n, SCALE·p + u] · Σ_t feature[n, c, SCALE·wrap(origin + match(p − t) + 1 + t) + u]
//   for LR pixel p, u in [0, SCALE)², and the offsets t in {−1, 0, 1}² whose p − t is in p's block.
//   This is unfold, gather and fold of the paper without the unfolded tensors: patch q = p − t covers p with its tap t.
//
//   feature [N, C, SCALE·Hr, SCALE·Wr], weight [N, SCALE·H, SCALE·W], origins [N·blocks]
//   match [N·blocks, ky, kx]: the patch's first pixel in its window, row by row, `columns` a row
//   wrap: a row or column below 0 counts from the end
// One thread computes 8 channels of a pixel: the nine positions are worked out once, then 9 loads a channel.

const SCALE = 1u;
const CHANNELS = 8u;

struct Params {
  count: u32,  // N·⌈C / CHANNELS⌉·SCALE·H·SCALE·W
  C: u32, H: u32, W: u32,
  Hr: i32, Wr: i32,
  px: u32, ky: u32, kx: u32,
  columns: u32,
}

alias StoredFeature = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> feature: array<StoredFeature>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> origin_x: array<i32>;
@group(0) @binding(3) var<storage, read> origin_y: array<i32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(6) var<uniform> params: Params;

fn wrap(i: i32, side: i32) -> u32 { return u32(select(i, i + side, i < 0)); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.x + id.y * groups.x * 64u;
  if (thread >= params.count) { return; }
  let X = thread % (SCALE * params.W);
  let Y = thread / (SCALE * params.W) % (SCALE * params.H);
  let channel_groups = (params.C + CHANNELS - 1u) / CHANNELS;
  let n_group = thread / (SCALE * params.W * SCALE * params.H);
  let n = n_group / channel_groups;
  let c = n_group % channel_groups * CHANNELS;

  let block = (n * (params.H / params.ky) + Y / (SCALE * params.ky)) * params.px + X / (SCALE * params.kx);
  let i = i32(Y / SCALE % params.ky);
  let j = i32(X / SCALE % params.kx);
  let plane = SCALE * SCALE * u32(params.Hr * params.Wr);
  let first = (n * params.C + c) * plane;
  // The last group may have fewer channels: it reads its last one again and does not store it.
  let steps_a = plane * min(vec4u(0u, 1u, 2u, 3u), vec4u(params.C - 1u - c));
  let steps_b = plane * min(vec4u(4u, 5u, 6u, 7u), vec4u(params.C - 1u - c));
  var a = vec4f();
  var b = vec4f();
  // The offsets whose query is in the block. (That the bounds are not constant also keeps compilers from unrolling.)
  for (var ty = max(-1, i + 1 - i32(params.ky)); ty <= min(1, i); ty++) {
    for (var tx = max(-1, j + 1 - i32(params.kx)); tx <= min(1, j); tx++) {
      let position = index[(block * params.ky + u32(i - ty)) * params.kx + u32(j - tx)];
      let row = wrap(origin_y[block] + i32(position / params.columns) + 1 + ty, params.Hr);
      let column = wrap(origin_x[block] + i32(position % params.columns) + 1 + tx, params.Wr);
      let at = first + (SCALE * row + Y % SCALE) * SCALE * u32(params.Wr) + SCALE * column + X % SCALE;
      a += vec4f(vec4(feature[at], feature[at + steps_a.y], feature[at + steps_a.z], feature[at + steps_a.w]));
      b += vec4f(
        vec4(feature[at + steps_b.x], feature[at + steps_b.y], feature[at + steps_b.z], feature[at + steps_b.w]),
      );
    }
  }

  let out_plane = SCALE * SCALE * params.H * params.W;
  let pixel = Y * SCALE * params.W + X;
  let w = weight[n * out_plane + pixel];
  let to = (n * params.C + c) * out_plane + pixel;
  for (var k = 0u; k < min(4u, params.C - c); k++) { y[to + k * out_plane] = StoredY(w * a[k]); }
  for (var k = 4u; k < min(8u, params.C - c); k++) { y[to + k * out_plane] = StoredY(w * b[k - 4u]); }
}
