// The best of all tiles, one thread a query: index, score [N, blocks] from best_score, best_index [N, tiles, Q].
// Tiles ascend, so of equal scores the lowest position stays.

struct Params { count: u32, blocks: u32, tiles: u32, Q: u32 }

@group(0) @binding(0) var<storage, read> best_score: array<f32>;
@group(0) @binding(1) var<storage, read> best_index: array<i32>;
@group(0) @binding(2) var<storage, read_write> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> score: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  var at = i / params.blocks * params.tiles * params.Q + i % params.blocks;
  var best = best_score[at];
  var which = best_index[at];
  for (var tile = 1u; tile < params.tiles; tile++) {
    at += params.Q;
    if (best_score[at] > best) {
      best = best_score[at];
      which = best_index[at];
    }
  }
  index[i] = which;
  score[i] = best;
}
