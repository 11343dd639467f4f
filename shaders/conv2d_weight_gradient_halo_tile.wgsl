// The weight gradient of convolution for GPUs, first of two stages, from tiles of the input with a halo: a workgroup computes
// all taps of 4·QUADS·LANES output × CHANNELS input channels, a thread those of 4·QUADS output channels and one input channel.
//
//   partial[s, o, channel + c, i, j] = Σ over the lines (n, p) of slab s, Σ_q
//       dy[n, o, p, q] · x[n, c, p·STRIDE + in_row + i, q·STRIDE + in_column + SHIFT + j]
//   x [N, C, H, W], 0 outside the image; dy [N, O, P, Q]; partial [slabs, O, channels, KH, KW]. W, Q and in_column are
//   multiples of 4.
// Tiles of ROWS lines × COLUMNS pixels pass through workgroup memory. Threads share the channels of a line, and each line of
// a tile adds to a slab of its own: a workgroup walks through `depth` tiles' height and makes ROWS slabs.
// Cost: 2·N·O·P·Q·C·KH·KW FLOP; for 4 pixels a thread reads 4·QUADS + KH·WINDOW vectors for 16·QUADS·KH·KW products.

const KH = 3u;
const KW = 3u;
const STRIDE = 1u;     // 1 or 2
const SHIFT = 3u;      // of the first tap in a vector
const QUADS = 2u;      // 1 or 2
const LANES = 8u;      // threads of an input channel and line
const CHANNELS = 32u;
const ROWS = 1u;
const COLUMNS = 16u;

const THREADS = LANES * CHANNELS * ROWS;
const OUTPUTS = 4u * QUADS * LANES;
const WINDOW = (SHIFT + 3u * STRIDE + KW + 3u) / 4u;  // vectors under 4 pixels
const X_ROWS = (ROWS - 1u) * STRIDE + KH;
const X_LINE = (SHIFT + (COLUMNS - 1u) * STRIDE + KW + 3u) / 4u;  // vectors
const X_TILE = CHANNELS * X_ROWS * X_LINE;
const X_LOADS = (X_TILE + THREADS - 1u) / THREADS;
const Y_LINE = COLUMNS / 4u;
const Y_STEP = Y_LINE + 1u;  // lines are one vector longer: neighbours then meet different banks of the memory
const Y_TILE = OUTPUTS * ROWS * Y_LINE;
const Y_LOADS = (Y_TILE + THREADS - 1u) / THREADS;

struct Params {
  heights: u32,  // tiles below each other in an image
  count: u32,    // heights of all images
  depth: u32,
  C: u32, H: u32, W: u32,
  channels: u32, channel: u32,
  O: u32, P: u32, Q: u32,
  in_row: i32, in_column: i32,
  blocks: u32,   // of OUTPUTS
  slabs: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> inputs: array<vec4f, X_TILE>;                      // [channel][row][vector]
var<workgroup> gradients: array<vec4f, OUTPUTS * ROWS * Y_STEP>;  // [output][line][vector]

alias Sums = array<vec4f, KH * KW * QUADS>;  // [tap][vector of outputs]
alias Window = array<vec4f, WINDOW>;
alias Four = array<vec4f, 4>;                // pixels of four outputs

fn pixel(window: ptr<function, Window>, i: u32) -> f32 { return (*window)[i / 4u][i % 4u]; }

fn turned(v: Four) -> Four {
  let t = transpose(mat4x4f(v[0], v[1], v[2], v[3]));
  return Four(t[0], t[1], t[2], t[3]);
}

// Adds the products of four pixels, of which the first meets pixel k of the window.
fn tap(sum: vec4f, window: ptr<function, Window>, k: u32, g: Four) -> vec4f {
  var s = sum + pixel(window, k) * g[0];
  s += pixel(window, k + STRIDE) * g[1];
  s += pixel(window, k + 2u * STRIDE) * g[2];
  s += pixel(window, k + 3u * STRIDE) * g[3];
  return s;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let o0 = group.x % params.blocks * OUTPUTS;
  let c0 = group.x / params.blocks * CHANNELS;
  let lane = thread % LANES;
  let c = thread / LANES % CHANNELS;
  let line = thread / (LANES * CHANNELS);

  // What this thread loads: the place in the first tile's channels, row and column.
  let x_plane = params.H * params.W / 4u;
  var x_places: array<u32, X_LOADS>;
  var x_rows: array<i32, X_LOADS>;
  var x_columns: array<i32, X_LOADS>;
  for (var l = 0u; l < X_LOADS; l++) {
    let e = thread + l * THREADS;
    x_rows[l] = i32(e / X_LINE % X_ROWS) + params.in_row;
    x_columns[l] = i32(e % X_LINE * 4u) + params.in_column;
    let channel = c0 + e / (X_LINE * X_ROWS);
    // May be below zero and wrap around; the first tile that has this row inside the image adds what makes it whole.
    x_places[l] = channel * x_plane + u32(x_rows[l] * i32(params.W / 4u) + x_columns[l] / 4);
    // A row that no image has: this is not to be loaded.
    if (channel >= params.C || e >= X_TILE) { x_rows[l] = -0x10000000; }
  }
  let y_plane = params.P * params.Q / 4u;
  var y_places: array<u32, Y_LOADS>;
  var y_rows: array<u32, Y_LOADS>;
  for (var l = 0u; l < Y_LOADS; l++) {
    let e = thread + l * THREADS;
    let o = o0 + e / (Y_LINE * ROWS);
    y_rows[l] = e / Y_LINE % ROWS;
    y_places[l] = o * y_plane + y_rows[l] * params.Q / 4u + e % Y_LINE;
    if (o >= params.O || e >= Y_TILE) { y_rows[l] = 0x10000000u; }
  }

  var sums: Sums;
  let first = group.y * params.depth;
  for (var height = first; height < min(first + params.depth, params.count); height++) {
    let n = height / params.heights;
    let p0 = height % params.heights * ROWS;
    let row0 = i32(p0 * STRIDE);
    for (var q0 = 0u; q0 < params.Q; q0 += COLUMNS) {
      let column0 = i32(q0 * STRIDE);
      let x_first = n * params.C * x_plane + p0 * STRIDE * (params.W / 4u) + q0 * STRIDE / 4u;
      for (var l = 0u; l < X_LOADS; l++) {
        let e = thread + l * THREADS;
        let row = x_rows[l] + row0;
        let column = x_columns[l] + column0;
        var value = vec4f();
        if (row >= 0 && row < i32(params.H) && column >= 0 && column < i32(params.W)) { value = x[x_first + x_places[l]]; }
        if (e < X_TILE) { inputs[e] = value; }
      }
      let y_first = n * params.O * y_plane + (p0 * params.Q + q0) / 4u;
      for (var l = 0u; l < Y_LOADS; l++) {
        let e = thread + l * THREADS;
        var value = vec4f();
        if (y_rows[l] + p0 < params.P && q0 + e % Y_LINE * 4u < params.Q) { value = dy[y_first + y_places[l]]; }
        if (e < Y_TILE) { gradients[e / Y_LINE * Y_STEP + e % Y_LINE] = value; }
      }
      workgroupBarrier();
      for (var k = 0u; k < Y_LINE; k++) {
        var g: array<Four, QUADS>;
        for (var quad = 0u; quad < QUADS; quad++) {
          var outputs: Four;
          for (var r = 0u; r < 4u; r++) {
            outputs[r] = gradients[((quad * 4u + r) * LANES + lane) * ROWS * Y_STEP + line * Y_STEP + k];
          }
          g[quad] = turned(outputs);
        }
        for (var i = 0u; i < KH; i++) {
          var window: Window;
          for (var w = 0u; w < WINDOW; w++) {
            window[w] = inputs[c * X_ROWS * X_LINE + line * STRIDE * X_LINE + i * X_LINE + k * STRIDE + w];
          }
          for (var j = 0u; j < KW; j++) {
            for (var quad = 0u; quad < QUADS; quad++) {
              let s = (i * KW + j) * QUADS + quad;
              sums[s] = tap(sums[s], &window, SHIFT + j, g[quad]);
            }
          }
        }
      }
      workgroupBarrier();
    }
  }

  let slab = group.y * ROWS + line;
  if (c0 + c >= params.C || slab >= params.slabs) { return; }
  for (var quad = 0u; quad < QUADS; quad++) {
    for (var r = 0u; r < 4u; r++) {
      let o = o0 + (quad * 4u + r) * LANES + lane;
      if (o < params.O) {
        let at = ((slab * params.O + o) * params.channels + params.channel + c0 + c) * KH * KW;
        for (var t = 0u; t < KH * KW; t++) { partial[at + t] = sums[t * QUADS + quad][r]; }
      }
    }
  }
}
