// Fine matching: one workgroup a block finds the best position of its window for each of its pixels.
//
//   score(q, r) = Σ_t ⟨lr[q + t], ref[r + t]⟩ / (max(|patch q|, 1e-12) · max(|patch r|, 1e-12)),  t in {−1, 0, 1}²
//   lr [N, C, H, W], its edge repeated outside; ref [N, C, Hr, Wr]; a window is `height`×`width` pixels of ref from its
//   origin on and wraps below 0; r is one of its inner positions; index, score [N·blocks, KY, KX].
// Neighbouring scores share their products: for one displacement δ = r − q all scores are 3×3 box sums of the map
// ⟨lr[p], ref[p + δ]⟩ over the block's pixels p and their rim. So pixels are multiplied once (C products instead of 9·C), a
// row of DX displacements at a time, into workgroup memory, and summed from there. Of equal scores the lowest position
// wins. Cost a block: 2·C·(KY + 2)·(KX + 2)·height·width FLOP.

const KY = 8u;
const KX = 8u;
const DX = 32u;    // displacements at once; a multiple of 8
const PARTS = 4u;  // threads that share the scores of one query
const PY = KY + 2u;
const PX = KX + 2u;
const PAIRS = (PX + 1u) / 2u;
const PIXELS = PY * PX;
const QUERIES = KY * KX;
const LOWEST = -3.4e38;
const THREADS = 256u;

struct Params {
  count: u32,  // N·blocks
  C: u32, H: i32, W: i32, Hr: i32, Wr: i32,
  px: u32,
  height: i32, width: i32,
}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> ref_map: array<f32>;
@group(0) @binding(2) var<storage, read> origin_x: array<i32>;
@group(0) @binding(3) var<storage, read> origin_y: array<i32>;
@group(0) @binding(4) var<storage, read> lr_inverse: array<f32>;   // patch_inverse_norms.wgsl
@group(0) @binding(5) var<storage, read> ref_inverse: array<f32>;
@group(0) @binding(6) var<storage, read_write> index: array<i32>;
@group(0) @binding(7) var<storage, read_write> score: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

var<workgroup> products: array<f32, DX * PIXELS>;  // [displacement][pixel]
var<workgroup> best_score: array<f32, PARTS * QUERIES>;
var<workgroup> best_index: array<i32, PARTS * QUERIES>;

// The block: its corner in lr, its window's in ref, and where the planes of its image begin.
struct Block { image: i32, y: i32, x: i32, top: i32, left: i32 }

fn wrap(i: i32, side: i32) -> i32 { return select(i, i + side, i < 0); }

// products[k][p] = ⟨lr[p], ref[p + (ey, ex + k)]⟩ for all pixels p; what lies outside the window stays unwritten.
// A thread has two neighbouring pixels and eight displacements, which meet nine pixels of ref: 16 products for 11 loads.
fn multiply(block: Block, ey: i32, ex: i32, thread: u32) {
  let plane = params.H * params.W;
  let ref_plane = params.Hr * params.Wr;
  for (var item = thread; item < PY * PAIRS * DX / 8u; item += THREADS) {
    let py = item / PAIRS % PY;
    let px = item % PAIRS * 2u;
    let k = item / (PAIRS * PY) * 8u;
    let window_y = i32(py) + ey;
    let window_x = i32(px) + ex + i32(k);
    if (window_y < 0 || window_y >= params.height || window_x + 8 < 0 || window_x >= params.width) { continue; }
    let y = clamp(block.y + i32(py) - 1, 0, params.H - 1);
    let x = clamp(block.x + i32(px) - 1 + vec2i(0, 1), vec2i(), vec2i(params.W - 1));
    var at = block.image * i32(params.C) * plane + y * params.W + x;
    let row = block.image * i32(params.C) * ref_plane + wrap(block.top + window_y, params.Hr) * params.Wr;
    var ref_a = row + column(block, window_x + vec4i(0, 1, 2, 3));
    var ref_b = row + column(block, window_x + vec4i(4, 5, 6, 7));
    var ref_c = row + column(block, vec4i(window_x + 8)).x;
    var left_a = vec4f();
    var left_b = vec4f();
    var right_a = vec4f();
    var right_b = vec4f();
    for (var c = 0u; c < params.C; c++) {
      let a = vec4f(ref_map[ref_a.x], ref_map[ref_a.y], ref_map[ref_a.z], ref_map[ref_a.w]);
      let b = vec4f(ref_map[ref_b.x], ref_map[ref_b.y], ref_map[ref_b.z], ref_map[ref_b.w]);
      let left = lr[at.x];
      let right = lr[at.y];
      left_a += left * a;
      left_b += left * b;
      right_a += right * vec4f(a.yzw, b.x);
      right_b += right * vec4f(b.yzw, ref_map[ref_c]);
      at += plane;
      ref_a += ref_plane;
      ref_b += ref_plane;
      ref_c += ref_plane;
    }
    let to = k * PIXELS + py * PX + px;
    for (var j = 0u; j < 4u; j++) {
      products[to + j * PIXELS] = left_a[j];
      products[to + (j + 4u) * PIXELS] = left_b[j];
    }
    if (px + 1u == PX) { continue; }
    for (var j = 0u; j < 4u; j++) {
      products[to + j * PIXELS + 1u] = right_a[j];
      products[to + (j + 4u) * PIXELS + 1u] = right_b[j];
    }
  }
}

// Where columns of the window are in ref; those outside the window are replaced by its first or last.
fn column(block: Block, window_x: vec4i) -> vec4i {
  let x = block.left + clamp(window_x, vec4i(), vec4i(params.width - 1));
  return select(x, x + params.Wr, x < vec4i());
}

// Sums the products to the scores of these displacements and keeps the best. |patch q| is left out: it is the same for all.
fn compare(block: Block, ey: i32, ex: i32, thread: u32) {
  for (var item = thread; item < PARTS * QUERIES; item += THREADS) {
    let qy = item % QUERIES / KX;
    let qx = item % QUERIES % KX;
    let row = i32(qy) + ey;
    if (row < 0 || row >= params.height - 2) { continue; }
    let inverse = (block.image * params.Hr + wrap(block.top + row + 1, params.Hr)) * params.Wr;
    for (var k = item / QUERIES; k < DX; k += PARTS) {
      let candidate = i32(qx + k) + ex;
      if (candidate < 0 || candidate >= params.width - 2) { continue; }
      var sum = 0.0;
      for (var t = 0u; t < 9u; t++) { sum += products[k * PIXELS + (qy + t / 3u) * PX + qx + t % 3u]; }
      let value = sum * ref_inverse[inverse + wrap(block.left + candidate + 1, params.Wr)];
      if (value > best_score[item]) {
        best_score[item] = value;
        best_index[item] = row * (params.width - 2) + candidate;
      }
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let b = group.x + group.y * groups.x;
  if (b >= params.count) { return; }
  let in_image = u32(params.H) / KY * params.px;
  let y = i32(b % in_image / params.px * KY);
  let x = i32(b % params.px * KX);
  let block = Block(i32(b / in_image), y, x, origin_y[b], origin_x[b]);

  for (var item = thread; item < PARTS * QUERIES; item += THREADS) {
    best_score[item] = LOWEST;
    best_index[item] = 0;
  }
  // Displacements ascend, and with them the positions a query meets: the first of equals stays.
  for (var ey = 1 - i32(KY); ey < params.height - 2; ey++) {
    for (var ex = 1 - i32(KX); ex < params.width - 2; ex += i32(DX)) {
      multiply(block, ey, ex, thread);
      workgroupBarrier();
      compare(block, ey, ex, thread);
      workgroupBarrier();
    }
  }
  for (var q = thread; q < QUERIES; q += THREADS) {
    var best = best_score[q];
    var which = best_index[q];
    for (var part = 1u; part < PARTS; part++) {
      let other = best_score[part * QUERIES + q];
      let where_other = best_index[part * QUERIES + q];
      if (other > best || (other == best && where_other < which)) {
        best = other;
        which = where_other;
      }
    }
    let pixel = (block.image * params.H + y + i32(q / KX)) * params.W + x + i32(q % KX);
    index[b * QUERIES + q] = which;
    score[b * QUERIES + q] = best * lr_inverse[pixel];
  }
}
