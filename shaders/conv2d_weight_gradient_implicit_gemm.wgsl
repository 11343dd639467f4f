// The weight gradient of convolution for GPUs, first of two stages: a workgroup of 64 threads makes OUTPUTS output channels
// × WEIGHTS weights (c, i, j) over one slab of dy, a thread 8 × 8.
//
//   partial[s, o, channel + c, i, j] = Σ over the lines (n, p) of slab s, Σ_q
//       dy[n, o, p, q] · x[n, c, p·stride − padding + i·dilation, q·stride − padding + j·dilation]
//   as conv2d_weight_gradient_subgroup.wgsl, which names the operands. It is the product of dy [O, pixels] and a matrix
//   [pixels, C·KH·KW] of inputs, which is never written out: slices of DEPTH pixels pass through workgroup memory.
//   Few output channels want tiles of many weights: what a tile has above O is computed for nothing.
// Cost: 2·N·O·P·Q·C·KH·KW FLOP; a thread reads 16 values from workgroup memory for 64 products.

const OUTPUTS = 64u;  // 16, 32 or 64
const WEIGHTS = 4096u / OUTPUTS;
const DEPTH = 8u;
const THREADS = 64u;

struct Params {
  lines: u32,  // N·P
  depth: u32,  // lines of a slab
  C: u32, H: u32, W: u32,
  channels: u32, channel: u32,
  O: u32, P: u32, Q: u32,
  KH: u32, KW: u32,
  stride: i32, padding: i32, dilation: i32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> outputs: array<array<vec4f, OUTPUTS / 4u>, DEPTH>;  // by pixels of the slice
var<workgroup> inputs: array<array<vec4f, WEIGHTS / 4u>, DEPTH>;
var<workgroup> places: array<vec3i, WEIGHTS>;  // channel, row and column of each weight, counted from the window's corner

fn locate(k: u32) -> vec3i {
  let taps = params.KH * params.KW;
  return vec3i(vec3u(k / taps, k % taps / params.KW, k % params.KW));
}

// What weight k meets at the window with this corner; 0 outside the image and past the last weight.
fn input(k: vec3i, n: u32, corner: vec2i) -> f32 {
  let at = corner + k.yz * params.dilation;
  if (any(at < vec2i()) || at.x >= i32(params.H) || at.y >= i32(params.W) || u32(k.x) >= params.C) { return 0.0; }
  return x[((n * params.C + u32(k.x)) * params.H + u32(at.x)) * params.W + u32(at.y)];
}

fn output(o: u32, n: u32, p: u32, q: u32) -> f32 {
  if (o >= params.O) { return 0.0; }
  return dy[((n * params.O + o) * params.P + p) * params.Q + q];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let tiles = (params.O + OUTPUTS - 1u) / OUTPUTS;
  let o0 = group.x % tiles * OUTPUTS;
  let k0 = group.x / tiles * WEIGHTS;
  let first = group.z * params.depth;
  let pixels = (min(first + params.depth, params.lines) - first) * params.Q;
  for (var k = thread; k < WEIGHTS; k += THREADS) { places[k] = locate(k0 + k); }
  workgroupBarrier();
  // This thread loads pixel d of a slice, for some quads of channels and of weights.
  let d = thread % DEPTH;
  let lane = thread / DEPTH;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  let u = thread % (WEIGHTS / 8u);
  let v = thread / (WEIGHTS / 8u);
  for (var e = 0u; e < pixels; e += DEPTH) {
    let line = first + (e + d) / params.Q;
    let n = line / params.P;
    let p = line % params.P;
    let q = (e + d) % params.Q;
    let corner = vec2i(vec2u(p, q)) * params.stride - params.padding;
    let valid = e + d < pixels;
    for (var quad = lane; quad < OUTPUTS / 4u; quad += THREADS / DEPTH) {
      let o = o0 + 4u * quad;
      var values = vec4f();
      if (valid) {
        values = vec4f(output(o, n, p, q), output(o + 1u, n, p, q), output(o + 2u, n, p, q), output(o + 3u, n, p, q));
      }
      outputs[d][quad] = values;
    }
    for (var quad = lane; quad < WEIGHTS / 4u; quad += THREADS / DEPTH) {
      let k = 4u * quad;
      var values = vec4f();
      if (valid) {
        values = vec4f(
          input(places[k], n, corner), input(places[k + 1u], n, corner),
          input(places[k + 2u], n, corner), input(places[k + 3u], n, corner),
        );
      }
      inputs[d][quad] = values;
    }
    workgroupBarrier();
    for (var r = 0u; r < DEPTH; r++) {
      let g = inputs[r][2u * u];
      let h = inputs[r][2u * u + 1u];
      let s = outputs[r][2u * v];
      a0 += s.x * g; a1 += s.y * g; a2 += s.z * g; a3 += s.w * g;
      b0 += s.x * h; b1 += s.y * h; b2 += s.z * h; b3 += s.w * h;
      let t = outputs[r][2u * v + 1u];
      a4 += t.x * g; a5 += t.y * g; a6 += t.z * g; a7 += t.w * g;
      b4 += t.x * h; b5 += t.y * h; b6 += t.z * h; b7 += t.w * h;
    }
    workgroupBarrier();
  }

  var sums = array<vec4f, 16>(a0, b0, a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6, a7, b7);
  let taps = params.KH * params.KW;
  for (var e = 0u; e < 64u; e++) {
    let o = o0 + v * 8u + e / 8u;
    let k = k0 + u * 8u + e % 8u;
    if (o < params.O && k < params.C * taps) {
      partial[((group.z * params.O + o) * params.channels + params.channel) * taps + k] = sums[e / 4u][e % 4u];
    }
  }
}
