/**
 * Who works through a list: this process, or the ranks of an MPI job (src/distributed). Code that enlarges or evaluates
 * many images says what an item's work is, and the workforce decides which process does it.
 */
export interface Workforce {
  /** Whether results come to this process, which then writes and reports them. One process of the workforce has it. */
  readonly chief: boolean;
  /** Whether this process does all items, in order: it may prepare the next one early. */
  readonly alone: boolean;
  /**
   * Does `work` for each index below `count`, once, in any of the processes. The chief gets each result, in the order in
   * which they arrive. An error ends all processes' work: the one where it happened throws it, the others name that rank.
   * Results are what `structuredClone` takes. All processes must call it alike.
   */
  each<R>(
    count: number,
    work: (index: number) => Promise<R>,
    onResult: (index: number, result: R) => void | Promise<void>,
  ): Promise<void>;
  /** The chief's value for all. */
  share<T>(value: T): Promise<T>;
  /** Does `work` in every process; if it fails in one, all throw. */
  together<T>(work: () => T | Promise<T>): Promise<T>;
}

/** This process, alone. */
export const ALONE: Workforce = {
  chief: true,
  alone: true,
  async each(count, work, onResult) {
    for (let index = 0; index < count; index++) await onResult(index, await work(index));
  },
  share: (value) => Promise.resolve(value),
  together: async (work) => await work(),
};
