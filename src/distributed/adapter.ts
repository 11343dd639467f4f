/** Adapters that compute on the CPU, by words of their names. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software|basic render|warp/i;

/**
 * The adapter of a rank: the ranks of a host take the GPUs in turn, and software adapters only where there is no GPU. Adapters
 * are told apart by name; where all have the same name, the scheduler must show each rank only its own GPU.
 */
export function adapterOfRank(
  names: readonly string[],
  localRank: number,
  wanted: string | undefined,
): string | undefined {
  const allowed = names.filter((name) => name.toLowerCase().includes((wanted ?? "").toLowerCase()));
  const gpus = allowed.filter((name) => !SOFTWARE.test(name));
  const candidates = [...new Set(gpus.length > 0 ? gpus : allowed.slice(0, 1))];
  return candidates[localRank % candidates.length] ?? wanted;
}
