// The mean of every 32×32 block of the planes x [planes, H, W], and its deviation Σ (x − mean)²: both [planes, rows, columns].
//
// TEAM threads take one block, in two passes over it: first the mean, then the deviations from it. Each adds up rows of vectors of four
// neighbours, thread t those in columns t % ACROSS, t % ACROSS + ACROSS, … of rows t / ACROSS, …; the sums of a team are added
// pairwise. The order depends on the place in the block alone, so a window of x whose corner lies on a block's corner gives
// the bits of the whole. Teams of 64 are for GPUs. On CPU adapters, where barriers cost more than the rest, a thread has a
// block to itself. Both passes work on differences (the first from the block's first element): an offset that is large
// compared with the spread costs no digits, and a constant block has deviation 0 exactly.
// Cost: two loads per element, the second from cache.

const TEAM = 64u;    // or 1
const ACROSS = 8u;   // threads of a team side by side; 1 in a team of 1
const WIDTH = 4u;    // of Values
alias Values = vec4f;  // f32 where W is not a multiple of 4
alias StoredX = Values;

const BLOCK = 32u;

struct Params {
  planes: u32,
  H: u32,
  W: u32,
  rows: u32,     // of blocks
  columns: u32,
  half: u32,     // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> deviation: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> partial: array<f32, TEAM>;

fn add_up(thread: u32, values: vec4f) -> f32 {
  let sum = (values.x + values.y) + (values.z + values.w);
  if (TEAM == 1u) { return sum; }
  partial[thread] = sum;
  for (var width = params.half; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { partial[thread] += partial[thread + width]; }
  }
  workgroupBarrier();
  let total = partial[0];
  workgroupBarrier();
  return total;
}

// Four neighbours from element `at` on, of which `length` lie in the row.
fn load(at: u32, length: u32) -> vec4f {
  if (WIDTH == 4u) { return vec4f(Values(x[at / 4u])); }
  let last = length - 1u;
  return vec4f(
    vec4f(Values(x[at])).x,
    vec4f(Values(x[at + min(1u, last)])).x,
    vec4f(Values(x[at + min(2u, last)])).x,
    vec4f(Values(x[at + min(3u, last)])).x,
  );
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let block = (group.x + group.y * groups.x) * (64u / TEAM) + index / TEAM;
  let thread = index % TEAM;
  let valid = block < params.planes * params.rows * params.columns;
  let plane = block / (params.rows * params.columns);
  let top = block / params.columns % params.rows * BLOCK;
  let left = block % params.columns * BLOCK;
  let height = select(0u, min(BLOCK, params.H - top), valid);
  let width = min(BLOCK, params.W - left);
  let corner = select(0u, (plane * params.H + top) * params.W + left, valid);
  let origin = load(corner, width).x;
  var sum = vec4f();
  for (var row = thread / ACROSS; row < height; row += TEAM / ACROSS) {
    var of_row = vec4f();
    for (var column = 4u * (thread % ACROSS); column < width; column += 4u * ACROSS) {
      let inside = vec4u(column) + vec4u(0u, 1u, 2u, 3u) < vec4u(width);
      of_row += select(vec4f(), load(corner + row * params.W + column, width - column) - origin, inside);
    }
    sum += of_row;
  }
  let centre = origin + add_up(thread, sum) / f32(max(1u, height * width));
  var squares = vec4f();
  for (var row = thread / ACROSS; row < height; row += TEAM / ACROSS) {
    var of_row = vec4f();
    for (var column = 4u * (thread % ACROSS); column < width; column += 4u * ACROSS) {
      let inside = vec4u(column) + vec4u(0u, 1u, 2u, 3u) < vec4u(width);
      let difference = select(vec4f(), load(corner + row * params.W + column, width - column) - centre, inside);
      of_row += difference * difference;
    }
    squares += of_row;
  }
  let total = add_up(thread, squares);
  if (thread == 0u && valid) {
    mean[block] = centre;
    deviation[block] = total;
  }
}
