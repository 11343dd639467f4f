// Inverts index [N, J], which holds values in [0, L): for every l the list of the j with index[n, j] = l, ascending.
//
//   lists [N, J]: the lists of a row n one after the other; the one of l ends before ends[n, l] and starts where that of
//   l − 1 ends.
//
// A stable counting sort without atomics, one workgroup a row: every thread owns a run of `run` values of l and reads the
// whole row, so that no two threads write to one place. All threads read the same index at the same time, which caches
// serve as a broadcast. Cost: 2·J loads a thread, whatever L is.

const THREADS = 256u;

struct Params {
  N: u32,
  L: u32,
  J: u32,
  run: u32,  // ⌈L / THREADS⌉
}

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read_write> lists: array<u32>;
@group(0) @binding(2) var<storage, read_write> ends: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> totals: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let n = group.x + group.y * groups.x;
  if (n >= params.N) { return; }
  let first = n * params.J;
  let behind = first + params.J;
  let own = min(thread * params.run, params.L);
  let own_end = min(own + params.run, params.L);
  let at = n * params.L;

  // How long each list is.
  for (var l = own; l < own_end; l++) { ends[at + l] = 0u; }
  var total = 0u;
  for (var i = first; i < behind; i++) {
    let l = u32(index[i]);
    if (l >= own && l < own_end) {
      ends[at + l]++;
      total++;
    }
  }

  // Where each list starts.
  totals[thread] = total;
  workgroupBarrier();
  var start = 0u;
  for (var t = 0u; t < thread; t++) { start += totals[t]; }
  for (var l = own; l < own_end; l++) {
    let length = ends[at + l];
    ends[at + l] = start;
    start += length;
  }

  // Each list grows from its start to its end.
  for (var i = first; i < behind; i++) {
    let l = u32(index[i]);
    if (l >= own && l < own_end) {
      let end = ends[at + l];
      lists[first + end] = i - first;
      ends[at + l] = end + 1u;
    }
  }
}
