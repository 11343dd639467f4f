// Convolution from tiles of the input with a halo, for GPUs: a workgroup computes CHANNELS output channels of a tile of
// ROWS × 8·COLUMNS pixels, a thread 8 neighbouring pixels of a row in 4·QUADS channels.
//
//   y[n, o, p·out_step + out_row, q] = f(bias[o] + residual[same]
//       + Σ_c Σ_i Σ_j w[o, c, i, j] · x[n, c, p·STRIDE + in_row + i, q·STRIDE + in_column + SHIFT + j])
//   p < GH, q < GW; f(v) = v > 0 ? v : slope·v. x [N, C, H, W] and, with CONCAT, concat [N, C2, H, W] behind it are 0 outside
//   the image; residual and y [N, O, P, Q]. W, Q and in_column are multiples of 4. The weights are packed by conv2d_pack.wgsl,
//   each input padded to whole slices. An absent operand is bound to any other and not read.
//   DOUBLED computes two neighbouring columns of a transposed convolution with stride 2: y[q·2] from tap 0 alone, y[q·2 + 1]
//   from both. Their weights are the two halves of CHANNELS, and a thread has 4 channels.
// The inputs pass through workgroup memory in slices of DEPTH channels, a tile with the halo that all taps need. So each input
// is read from memory once for all taps and channels, and its address and bounds are computed once, before the loop.
// Cost: 2·N·O·GH·GW·C·KH·KW FLOP; per row of taps a thread reads WINDOW + QUADS·KW vectors for 32·QUADS·KW products.

const KH = 3u;
const KW = 3u;        // at most 4
const STRIDE = 1u;    // 1 or 2
const SHIFT = 3u;     // of the first tap in a vector
const COLUMNS = 4u;
const ROWS = 8u;
const CHANNELS = 64u; // a multiple of 4·QUADS
const QUADS = 2u;     // 1 or 2
const DEPTH = 4u;
const CONCAT = false;
const DOUBLED = false;
const TOGETHER = 2u;  // slices that are summed for themselves

const LANES = CHANNELS / (4u * QUADS);  // threads that share their pixels
const THREADS = LANES * COLUMNS * ROWS;
const TAPS = KH * KW;
const WINDOW = (SHIFT + 7u * STRIDE + KW + 3u) / 4u;  // vectors
const TILE_COLUMNS = (SHIFT + (8u * COLUMNS - 1u) * STRIDE + KW + 3u) / 4u;  // vectors
const TILE = ((ROWS - 1u) * STRIDE + KH) * TILE_COLUMNS;
const WEIGHTS = DEPTH * TAPS * CHANNELS / 4u;
const LOADS = (DEPTH * TILE + THREADS - 1u) / THREADS;

struct Params {
  GH: u32, GW: u32,
  C: u32, C2: u32, H: u32, W: u32,
  in_row: i32, in_column: i32,
  blocks: u32,  // of CHANNELS
  O: u32, P: u32, Q: u32,
  out_step: u32, out_row: u32,
  has_bias: u32, has_residual: u32,
  slope: f32,
}

alias StoredX = vec4f;
alias StoredConcat = vec4f;
alias StoredResidual = vec4f;
alias StoredY = vec4f;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> concat: array<StoredConcat>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<StoredResidual>;
@group(0) @binding(5) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> tile: array<vec4f, DEPTH * TILE>;   // [channel][row][vector of columns]
var<workgroup> weights: array<vec4f, WEIGHTS>;     // [channel][tap][vector of output channels]

alias Sums = array<vec4f, 16>;  // [vector of channels, or column of a pair][pixel]
alias Window = array<vec4f, WINDOW>;

fn pixel(window: ptr<function, Window>, i: u32) -> f32 { return (*window)[i / 4u][i % 4u]; }

// Adds the products of one tap, which begins at pixel k of the window, to the first or second half of the sums. Written out:
// Tint does not unroll loops, and sums that are found by an index are no registers.
fn tap(sums: ptr<function, Sums>, half: u32, window: ptr<function, Window>, k: u32, w: vec4f) {
  (*sums)[half] += pixel(window, k) * w;
  (*sums)[half + 1u] += pixel(window, k + STRIDE) * w;
  (*sums)[half + 2u] += pixel(window, k + 2u * STRIDE) * w;
  (*sums)[half + 3u] += pixel(window, k + 3u * STRIDE) * w;
  (*sums)[half + 4u] += pixel(window, k + 4u * STRIDE) * w;
  (*sums)[half + 5u] += pixel(window, k + 5u * STRIDE) * w;
  (*sums)[half + 6u] += pixel(window, k + 6u * STRIDE) * w;
  (*sums)[half + 7u] += pixel(window, k + 7u * STRIDE) * w;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let n = group.z / params.blocks;
  let block = group.z % params.blocks;
  let lane = thread % LANES;
  let row = thread / LANES / COLUMNS;
  let column = thread / LANES % COLUMNS;

  // Vectors of the tile that this thread loads: where they are in the first slice, and whether inside the image.
  let plane = params.H * params.W / 4u;
  var places: array<u32, LOADS>;
  var inside: array<bool, LOADS>;
  for (var l = 0u; l < LOADS; l++) {
    let e = thread + l * THREADS;
    let r = i32(group.y * ROWS * STRIDE + e % TILE / TILE_COLUMNS) + params.in_row;
    let c = i32(group.x * 8u * COLUMNS * STRIDE + e % TILE_COLUMNS * 4u) + params.in_column;
    inside[l] = r >= 0 && r < i32(params.H) && c >= 0 && c < i32(params.W) && e < DEPTH * TILE;
    places[l] = e / TILE * plane + (u32(r) * params.W + u32(c)) / 4u;
  }

  let corner = row * STRIDE * TILE_COLUMNS + column * 2u * STRIDE;  // of the window, in a channel of the tile
  let p = group.y * ROWS + row;
  let q = (group.x * COLUMNS + column) * 8u;
  let o = block * select(CHANNELS, CHANNELS / 2u, DOUBLED) + 4u * lane;
  let v = biases(o);
  let w = biases(select(o + 4u * LANES, o, DOUBLED));
  var sums = Sums(v, v, v, v, v, v, v, v, w, w, w, w, w, w, w, w);
  var part = Sums();
  let slices = (params.C + DEPTH - 1u) / DEPTH;
  let all = slices + (params.C2 + DEPTH - 1u) / DEPTH;
  for (var slice = 0u; slice < all; slice++) {
    let second = CONCAT && slice >= slices;
    let C = select(params.C, params.C2, second);
    let channel = (slice - select(0u, slices, second)) * DEPTH;
    let first = (n * C + channel) * plane;
    for (var l = 0u; l < LOADS; l++) {
      // What lies outside the image stays 0, as workgroup memory is at first.
      if (inside[l]) {
        let e = thread + l * THREADS;
        var value: vec4f;
        if (second) { value = vec4f(concat[first + places[l]]); } else { value = vec4f(x[first + places[l]]); }
        tile[e] = select(vec4f(), value, channel + e / TILE < C);
      }
    }
    for (var e = thread; e < WEIGHTS; e += THREADS) { weights[e] = packed[(block * all + slice) * WEIGHTS + e]; }
    workgroupBarrier();
    for (var c = 0u; c < DEPTH; c++) {
      for (var i = 0u; i < KH; i++) {
        var window: Window;
        for (var k = 0u; k < WINDOW; k++) { window[k] = tile[corner + c * TILE + i * TILE_COLUMNS + k]; }
        for (var j = 0u; j < KW; j++) {
          let w = lane + ((c * KH + i) * KW + j) * (CHANNELS / 4u);
          if (!DOUBLED || j == 0u) { tap(&part, 0u, &window, SHIFT + j, weights[w]); }
          if (QUADS > 1u) { tap(&part, 8u, &window, SHIFT + j, weights[w + LANES]); }
        }
      }
    }
    workgroupBarrier();
    // Short sums lose fewer digits than one of all products.
    if (slice % TOGETHER == TOGETHER - 1u || slice + 1u == all) {
      for (var k = 0u; k < 16u; k++) { sums[k] += part[k]; }
      part = Sums();
    }
  }

  if (p >= params.GH || q >= params.GW) { return; }
  let step = params.P * params.Q / 4u;  // vectors of a channel
  let line = n * params.O * step + (p * params.out_step + params.out_row) * params.Q / 4u;
  for (var k = 0u; k < 4u; k++) {
    let a = vec4f(sums[0][k], sums[1][k], sums[2][k], sums[3][k]);
    let b = vec4f(sums[4][k], sums[5][k], sums[6][k], sums[7][k]);
    let c = vec4f(sums[8][k], sums[9][k], sums[10][k], sums[11][k]);
    let d = vec4f(sums[12][k], sums[13][k], sums[14][k], sums[15][k]);
    let at = line + (o + k) * step;
    if (o + k < params.O) {
      if (DOUBLED) {
        store(at, 2u * q, vec4f(a.x, c.x, a.y, c.y), vec4f(a.z, c.z, a.w, c.w));
        store(at, 2u * q + 8u, vec4f(b.x, d.x, b.y, d.y), vec4f(b.z, d.z, b.w, d.w));
      } else {
        store(at, q, a, b);
      }
    }
    if (!DOUBLED && QUADS > 1u && o + 4u * LANES + k < params.O) { store(at + 4u * LANES * step, q, c, d); }
  }
}

// The biases of four channels.
fn biases(o: u32) -> vec4f {
  if (params.has_bias == 0u) { return vec4f(); }
  return vec4f(bias[o], bias[o + 1u], bias[o + 2u], bias[o + 3u]);
}

// Stores 8 pixels of a line, of which the last four may lie behind its end.
fn store(line: u32, q: u32, low: vec4f, high: vec4f) {
  if (q < params.Q) { finish(line + q / 4u, low); }
  if (q + 4u < params.Q) { finish(line + q / 4u + 1u, high); }
}

fn finish(at: u32, values: vec4f) {
  var sum = values;
  if (params.has_residual != 0u) { sum += vec4f(residual[at]); }
  y[at] = StoredY(select(params.slope * sum, sum, sum > vec4f()));
}
