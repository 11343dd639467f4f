// The weights in the order in which the fast convolutions read them; one thread a packed value.
//
//   packed[b, c, i, j, l] = weight[start + (16·b + l)·o_stride + c·c_stride + i·i_stride + j·j_stride], 0 where 16·b + l ≥ O
//   The strides, which may be negative, exchange input with output channels, flip the kernel and pick every second tap,
//   so that the input gradient and each phase of a transposed convolution become convolutions as well.
// Cost: one load and one store a value.

struct Params {
  count: u32,  // ⌈O/16⌉·C·KH·KW·16
  C: u32, KH: u32, KW: u32,
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
  let tap = index / 16u;
  let j = tap % params.KW;
  let i = tap / params.KW % params.KH;
  let c = tap / (params.KW * params.KH) % params.C;
  let o = tap / (params.KW * params.KH * params.C) * 16u + index % 16u;
  let at = params.start + i32(o) * params.o_stride + i32(c) * params.c_stride
    + i32(i) * params.i_stride + i32(j) * params.j_stride;
  var value = 0.0;
  if (o < params.O) { value = weight[u32(at)]; }
  packed[index] = value;
}
