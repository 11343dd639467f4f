import { expect } from "chai";
import { layOut } from "../../../src/graph/plan/layout.js";
import type { Operand } from "../../../src/kernels/kernel.js";
import { Random } from "../ops/check.js";

const tensor = (name: string, size: number): Operand => ({ name, shape: [size], dtype: "f32" });
const dispatch = (...operands: Operand[]) => ({
  shader: "any",
  bindings: Object.fromEntries(operands.map((operand) => [operand.name, operand])),
  workgroups: [1, 1, 1] as const,
});
const total = ({ slots }: ReturnType<typeof layOut>) => slots.reduce((sum, { bytes }) => sum + bytes, 0);

describe("memory plan", () => {
  it("does not let a small tensor that lives long hold a large buffer", () => {
    const [a, b, c, small] = [tensor("a", 100), tensor("b", 100), tensor("c", 100), tensor("small", 1)];
    const layout = layOut(
      [dispatch(a, b), dispatch(b, small), dispatch(b, c), dispatch(c, small)],
      () => false,
      new Set(),
    );
    expect(total(layout)).to.equal(4 * 201);
    expect(layout.slotOf.get(a)).to.equal(layout.slotOf.get(c));
  });

  it("keeps what is kept, and leaves out what has a buffer of its own", () => {
    const [a, b, own] = [tensor("a", 10), tensor("b", 10), tensor("own", 10)];
    const layout = layOut([dispatch(own, a), dispatch(own, b)], (operand) => operand === own, new Set([a]));
    expect(total(layout)).to.equal(4 * 20);
    expect(layout.slotOf.has(own)).to.equal(false);
  });

  it("gives each tensor a buffer that holds it, and two that live at once two", () => {
    const random = new Random("memory plan");
    for (let round = 0; round < 50; round++) {
      const tensors = Array.from({ length: 40 }, (_, i) => tensor(`t${i}`, random.int(1, 30)));
      const lives = new Map(
        tensors.map((t) => {
          const first = random.int(0, 40);
          return [t, { first, last: first + random.int(0, 8) }];
        }),
      );
      const alive = (t: Operand, i: number) => {
        const { first, last } = lives.get(t) as { first: number; last: number };
        return first <= i && i <= last;
      };
      const dispatches = Array.from({ length: 49 }, (_, i) => dispatch(...tensors.filter((t) => alive(t, i))));
      const { slotOf } = layOut(dispatches, () => false, new Set());
      for (const t of tensors) expect(slotOf.get(t)?.bytes).to.be.at.least(4 * (t.shape[0] as number));
      for (const { bindings } of dispatches) {
        const used = Object.values(bindings).map((operand) => slotOf.get(operand));
        expect(new Set(used).size).to.equal(used.length);
      }
    }
  });
});
