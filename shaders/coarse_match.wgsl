// Coarse matching: the best position of Ref↓ for each query, over a tile of positions.
//
//   score[n, q, r] = Σ_d (Σ_t Σ_c queries[n, d, t, c, q] · ref[n, c, r + DILATIONS[d]·t]) / max(|patch of ref|, 1e-12)
//   ref [N, C, Hr, Wr], zero outside; squares [N, Hr, Wr] (patch_squares.wgsl) for the norm; queries as in
//   coarse_match_queries.wgsl, read as vectors of 4 queries; best_score, best_index [N, tiles, Q].
// A workgroup has 4 queries and a tile of 256 positions, of which each thread scores 4: 16 products for 5 loads. Scores
// stay in registers; of equal ones the lowest position wins. coarse_match_best.wgsl finds the best tile.
// Cost: 2·N·blocks·Hr·Wr·COUNT·9·C FLOP.

const COUNT = 3u;
const DILATIONS = array<i32, COUNT>(1, 2, 3);
const EPS = 1e-12;
const LOWEST = -3.4e38;

struct Params {
  C: u32, Hr: i32, Wr: i32, Q: u32,
  top: u32, bottom: u32,      // rows [top, bottom) are searched
  dilations: i32, taps: u32,  // COUNT and 9; not constants, which compilers would unroll at great length
}

@group(0) @binding(0) var<storage, read> queries: array<vec4f>;
@group(0) @binding(1) var<storage, read> ref_map: array<f32>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> best_score: array<f32>;
@group(0) @binding(4) var<storage, read_write> best_index: array<i32>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> scores: array<vec4f, 64>;
var<workgroup> indices: array<vec4u, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let n = group.z;
  let plane = u32(params.Hr * params.Wr);
  let end = params.bottom * u32(params.Wr);
  let position = params.top * u32(params.Wr) + group.x * 256u + thread + vec4u(0u, 64u, 128u, 192u);
  let y = vec4i(position / u32(params.Wr));
  let x = vec4i(position % u32(params.Wr));
  // a … d: the scores of query 0 … 3 of the four.
  var a = vec4f();
  var b = vec4f();
  var c = vec4f();
  var d = vec4f();
  for (var i = 0; i < params.dilations; i++) {
    var norm2 = vec4f();
    var dot_a = vec4f();
    var dot_b = vec4f();
    var dot_c = vec4f();
    var dot_d = vec4f();
    for (var t = 0u; t < params.taps; t++) {
      let row = y + DILATIONS[i] * (i32(t / 3u) - 1);
      let column = x + DILATIONS[i] * (i32(t % 3u) - 1);
      let inside = (row >= vec4i()) & (row < vec4i(params.Hr)) & (column >= vec4i()) & (column < vec4i(params.Wr));
      let pixel = select(vec4u(), vec4u(row * params.Wr + column), inside);
      let s = n * plane + pixel;
      norm2 += select(vec4f(), vec4f(squares[s.x], squares[s.y], squares[s.z], squares[s.w]), inside);
      var tap_a = vec4f();
      var tap_b = vec4f();
      var tap_c = vec4f();
      var tap_d = vec4f();
      var at = n * params.C * plane + pixel;
      var query = (((n * COUNT + u32(i)) * 9u + t) * params.C * params.Q) / 4u + group.y;
      for (var k = 0u; k < params.C; k++) {
        let q = queries[query];
        let r = vec4f(ref_map[at.x], ref_map[at.y], ref_map[at.z], ref_map[at.w]);
        tap_a += q.x * r;
        tap_b += q.y * r;
        tap_c += q.z * r;
        tap_d += q.w * r;
        at += vec4u(plane);
        query += params.Q / 4u;
      }
      dot_a += select(vec4f(), tap_a, inside);
      dot_b += select(vec4f(), tap_b, inside);
      dot_c += select(vec4f(), tap_c, inside);
      dot_d += select(vec4f(), tap_d, inside);
    }
    let norm = max(sqrt(norm2), vec4f(EPS));
    a += dot_a / norm;
    b += dot_b / norm;
    c += dot_c / norm;
    d += dot_d / norm;
  }

  // The best of the thread's four positions, for the four queries at once; positions ascend, so the first of equals stays.
  var best = vec4f(LOWEST);
  var which = vec4u(min(position.x, end - 1u));
  let rows = transpose(mat4x4f(a, b, c, d));
  for (var j = 0u; j < 4u; j++) {
    let better = (rows[j] > best) & vec4<bool>(position[j] < end);
    best = select(best, rows[j], better);
    which = select(which, vec4u(position[j]), better);
  }
  scores[thread] = best;
  indices[thread] = which;
  workgroupBarrier();
  // One thread a query; that positions do not ascend from thread to thread makes it compare them.
  if (thread >= 4u) { return; }
  var top = scores[0][thread];
  var at = indices[0][thread];
  for (var j = 1u; j < 64u; j++) {
    let other = scores[j][thread];
    if (other > top || (other == top && indices[j][thread] < at)) {
      top = other;
      at = indices[j][thread];
    }
  }
  let to = (n * groups.x + group.x) * params.Q + 4u * group.y + thread;
  best_score[to] = top;
  best_index[to] = i32(at);
}
