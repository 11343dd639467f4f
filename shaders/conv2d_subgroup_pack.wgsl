// The weights in the order in which conv2d_subgroup.wgsl reads them. One thread has four input channels of one output channel.
//
//   packed[b, quad + g, i, j / TAPS, m / 8, j % TAPS, m % 8, k] =
//       weight[start + (OUTPUTS·b + m)·o_stride + (4g + k)·c_stride + i·i_stride + j·j_stride]
//   for outputs m < OUTPUTS and 4g + k < C, 0 beyond; packed [⌈O/OUTPUTS⌉, quads, KH, KW/TAPS, ⌈OUTPUTS/8⌉, TAPS, 8, 4].
//   The strides, which may be negative, exchange input with output channels, flip the kernel and pick every second tap,
//   so that the input gradient and each phase of a transposed convolution become convolutions as well.
// Cost: one load and one store a value.

const TAPS = 3u;
const OUTPUTS = 16u;
const EIGHTS = (OUTPUTS + 7u) / 8u;

struct Params {
  count: u32,  // ⌈O/OUTPUTS⌉·⌈C/4⌉·8·EIGHTS
  C: u32, KH: u32, KW: u32,
  quads: u32, quad: u32,  // of all inputs, and the first of this one
  O: u32,
  start: i32, o_stride: i32, c_stride: i32, i_stride: i32, j_stride: i32,
}

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let m = index % (8u * EIGHTS);
  let c = index / (8u * EIGHTS) % ((params.C + 3u) / 4u) * 4u;
  let b = index / (8u * EIGHTS) / ((params.C + 3u) / 4u);
  let o = b * OUTPUTS + m;
  let valid = m < OUTPUTS && o < params.O;
  let at = params.start + i32(o) * params.o_stride + i32(c) * params.c_stride;
  let columns = params.KW / TAPS;
  for (var i = 0u; i < params.KH; i++) {
    for (var j = 0u; j < params.KW; j++) {
      let tap = at + i32(i) * params.i_stride + i32(j) * params.j_stride;
      var value = vec4f();
      if (valid) {
        value.x = weight[tap];
        if (c + 1u < params.C) { value.y = weight[tap + params.c_stride]; }
        if (c + 2u < params.C) { value.z = weight[tap + 2 * params.c_stride]; }
        if (c + 3u < params.C) { value.w = weight[tap + 3 * params.c_stride]; }
      }
      let row = ((b * params.quads + params.quad + c / 4u) * params.KH + i) * columns + j / TAPS;
      packed[((row * EIGHTS + m / 8u) * TAPS + j % TAPS) * 8u + m % 8u] = value;
    }
  }
}
