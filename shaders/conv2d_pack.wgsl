// The weights in the order in which the convolutions for GPUs read them; one thread a packed value.
//
//   packed[b, c, i, j, l] = weight[start + o·o_stride + c'·c_stride + i·i_stride + j·j_stride], l < LANES
//   with o = LANES·b + l; 0 where there is no such channel. Channels c' of two inputs, the first `split`, begin at multiples
//   of slices: c' = c below `padded`, the length of the first input's slices, and split + c − padded from there on.
//   The strides, which may be negative, exchange input with output channels, flip the kernel and pick every second tap,
//   so that the input gradient and each phase of a transposed convolution become convolutions as well.
//   DOUBLED: half of the lanes are the channels of one phase, which has tap 0 alone, half those of the next, whose weights lie
//   behind those of the first.
// Cost: one load and one store a value.

const LANES = 16u;
const DOUBLED = false;

struct Params {
  count: u32,  // of packed values
  C: u32, split: u32, padded: u32,
  all: u32,    // channels of packed
  KH: u32, KW: u32,
  O: u32,
  start: i32, o_stride: i32, c_stride: i32, i_stride: i32, j_stride: i32,
}

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let tap = index / LANES;
  let j = tap % params.KW;
  let i = tap / params.KW % params.KH;
  let place = tap / (params.KW * params.KH) % params.all;
  let block = tap / (params.KW * params.KH * params.all);
  let second = place >= params.padded;
  let c = select(place, params.split + place - params.padded, second);
  let width = select(LANES, LANES / 2u, DOUBLED);
  let phase = index % LANES / width;
  let o = block * width + index % width;
  var value = 0.0;
  if (o < params.O && c < select(params.split, params.C, second) && (!DOUBLED || phase + 1u > j)) {
    value = weight[u32(params.start + i32(phase) + i32(o) * params.o_stride + i32(c) * params.c_stride
      + i32(i) * params.i_stride + i32(j) * params.j_stride)];
  }
  packed[index] = value;
}
