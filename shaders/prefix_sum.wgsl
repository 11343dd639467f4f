// Running sums: y[i] = x[0] + … + x[i − 1], y [count]. One workgroup; each thread adds a piece of ⌈count / 256⌉ numbers,
// the first thread the 256 pieces, then each thread runs through its piece again.

struct Params { count: u32 }

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> before: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
  let piece = (params.count + 255u) / 256u;
  let start = min(thread * piece, params.count);
  let end = min(start + piece, params.count);
  var sum = 0u;
  for (var i = start; i < end; i++) { sum += x[i]; }
  before[thread] = sum;
  workgroupBarrier();
  if (thread == 0u) {
    var total = 0u;
    for (var i = 0u; i < 256u; i++) {
      let own = before[i];
      before[i] = total;
      total += own;
    }
  }
  workgroupBarrier();
  sum = before[thread];
  for (var i = start; i < end; i++) {
    y[i] = sum;
    sum += x[i];
  }
}
