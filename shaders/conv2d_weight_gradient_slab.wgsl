// The weight gradient of convolution over one slab of dy, for adapters that compute on the CPU.
//
//   dweight[o, c, i, j] (+)= Σ_p Σ_q dy[n, o, p, q] · x[n, c, p·STEP + i, q·STEP + j], rows p of the slab
//   for o = o0 … o0 + 15. x [N, C, PH, PW] has its border (conv2d_pad.wgsl); slab is the packed dy of `rows` rows
//   (conv2d_weight_gradient_pack.wgsl), `columns` a multiple of 4. The first slab sets dweight, the next ones add to it in
//   their order, so that a rerun gives the same bits.
// One thread has a row i of the kernel of one input channel: KX taps for 16 outputs stay in registers. Four pixels of x
// and their neighbours serve 4·KX·16 products, and dy, the same for all threads, comes from a uniform buffer.
// Cost: 2·16·C·KY·KX·rows·columns FLOP.

const KX = 3u;
const STEP = 1u;
const STRIP = 6u;  // 3·STEP + KX
const SLAB = 4096u;  // vectors in a slab
const WORKGROUP = 8u;

struct Params {
  count: u32,  // threads: C·KY
  KY: u32,
  C: u32, PH: u32, PW: u32,
  n: u32, p0: u32,
  rows: u32, columns: u32,
  O: u32, o0: u32,
  is_first: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<uniform> slab: array<vec4f, SLAB>;
@group(0) @binding(2) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) { return; }
  let i = id.x % params.KY;
  let c = id.x / params.KY;
  var sum0: array<vec4f, KX>;
  var sum1: array<vec4f, KX>;
  var sum2: array<vec4f, KX>;
  var sum3: array<vec4f, KX>;
  var pixel = 0u;
  for (var row = 0u; row < params.rows; row++) {
    var at = ((params.n * params.C + c) * params.PH + (params.p0 + row) * STEP + i) * params.PW;
    for (var q = 0u; q < params.columns; q += 4u) {
      var strip: array<f32, STRIP>;
      for (var s = 0u; s < STRIP; s++) { strip[s] = x[at + s]; }
      for (var k = 0u; k < 4u; k++) {
        let dy0 = slab[pixel];
        let dy1 = slab[pixel + 1u];
        let dy2 = slab[pixel + 2u];
        let dy3 = slab[pixel + 3u];
        pixel += 4u;
        for (var j = 0u; j < KX; j++) {
          let value = strip[k * STEP + j];
          sum0[j] += dy0 * value;
          sum1[j] += dy1 * value;
          sum2[j] += dy2 * value;
          sum3[j] += dy3 * value;
        }
      }
      at += 4u * STEP;
    }
  }
  for (var j = 0u; j < KX; j++) {
    add(sum0[j], 0u, c, i, j);
    add(sum1[j], 4u, c, i, j);
    add(sum2[j], 8u, c, i, j);
    add(sum3[j], 12u, c, i, j);
  }
}

/// Adds the sums of four outputs for one tap.
fn add(sums: vec4f, output: u32, c: u32, i: u32, j: u32) {
  for (var k = 0u; k < 4u; k++) {
    let o = params.o0 + output + k;
    if (o >= params.O) { return; }
    let to = ((o * params.C + c) * params.KY + i) * KX + j;
    dweight[to] = select(dweight[to], 0.0, params.is_first == 1u) + sums[k];
  }
}
