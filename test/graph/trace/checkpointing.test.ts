import { expect } from "chai";
import type { Device } from "../../../src/gpu/device.js";
import { adam } from "../../../src/graph/ops/adam.js";
import { batchNorm } from "../../../src/graph/ops/batch_norm.js";
import { conv2d } from "../../../src/graph/ops/conv2d.js";
import { instanceNorm } from "../../../src/graph/ops/instance_norm.js";
import { maxPool2d } from "../../../src/graph/ops/max_pool2d.js";
import { meanStd } from "../../../src/graph/ops/mean_std.js";
import { add, mul, relu, scale, square, sub } from "../../../src/graph/ops/pointwise.js";
import { mean, sum } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { checkpointing, noGrad, scope, segment, trace } from "../../../src/graph/trace/graph.js";
import { ones, Parameters, zeros } from "../../../src/graph/trace/parameters.js";
import { GraphError, type Tensor, Variable } from "../../../src/graph/trace/tensor.js";
import { detach, reshape } from "../../../src/graph/trace/view.js";
import { testDevice } from "../../device.js";
import { Random } from "../ops/check.js";

const SHAPE = [2, 3, 32, 32];
const BYTES = 4 * 2 * 3 * 32 * 32;

/** Marks a part of a network as `checkpointed` does, or leaves it as it is. */
type Mark = <T>(build: () => T) => T;

interface Tensors {
  readonly x: Tensor;
  readonly w: Tensor;
}

const checkpointed: Mark = (build) => checkpointing(true, () => segment(build));

describe("activation checkpointing", () => {
  let device: Device;
  before(async () => {
    device = await testDevice();
  });

  /** Runs a loss of x and w and its gradients. */
  const run = async (build: (tensors: Tensors, mark: Mark) => Tensor, mark: Mark) => {
    const plan = await compile(device, { x: SHAPE, w: [3, 3, 3, 3] }, (tensors) => {
      const loss = build(tensors, mark);
      const [dx, dw] = scope("gradient", () => grad(loss, [tensors.x, tensors.w])) as [Tensor, Tensor];
      return { loss, dx, dw };
    });
    const random = new Random("recomputed");
    const values = (shape: readonly number[]) => Float32Array.from(random.array(shape).data);
    const results = dataOf(await plan.run({ x: values(SHAPE), w: values([3, 3, 3, 3]) }));
    plan.dispose();
    const bits = Object.values(results).map((data) => Buffer.from(data.buffer as ArrayBuffer).toString("hex"));
    return { bits, results, bytes: plan.bytes, dispatches: plan.dispatchCount };
  };

  /** Runs it kept and recomputed; fails where a bit differs. Says what recomputation costs and saves. */
  const compare = async (build: (tensors: Tensors, mark: Mark) => Tensor) => {
    const kept = await run(build, (part) => part());
    const again = await run(build, checkpointed);
    expect([...kept.results.dx].every(Number.isFinite)).to.equal(true);
    expect([...kept.results.dx].some((value) => value !== 0)).to.equal(true);
    expect(again.bits).to.deep.equal(kept.bits);
    return { saved: kept.bytes - again.bytes, dispatches: again.dispatches - kept.dispatches };
  };

  const convolution = ({ x, w }: Tensors) => conv2d(x, w, undefined, { padding: 1, activation: "relu" });

  /** Four convolutions in two parts. */
  const twoParts = ({ x, w }: Tensors, mark: Mark) => {
    const part = (y: Tensor) => mark(() => convolution({ x: convolution({ x: y, w }), w }));
    return mean(square(part(part(x))));
  };

  it("gives random networks the same bits", async () => {
    let more = 0;
    for (let i = 0; i < 20; i++) {
      const { dispatches } = await compare(({ x, w }, mark) => {
        const random = new Random(`network ${i}`);
        const seen = [x];
        const pick = () => seen[random.int(0, seen.length - 1)] as Tensor;
        const operations = [
          () => convolution({ x: pick(), w }),
          () => conv2d(pick(), w, undefined, { padding: 1, residual: pick() }),
          () => mul(pick(), pick()),
          () => sub(pick(), meanStd(pick()).std),
          () => reshape(instanceNorm(reshape(pick(), SHAPE)), SHAPE),
          () => noGrad(() => relu(pick())),
          () => mul(detach(pick()), pick()),
        ];
        const grow = () => seen.push(operations[random.int(0, operations.length - 1)]?.() as Tensor);
        for (let part = 0; part < 4; part++) {
          mark(() => Array.from({ length: random.int(1, 4) }, grow));
          if (random.int(0, 1) === 1) grow();
        }
        return mean(square(seen.reduce(add)));
      });
      if (dispatches > 0) more++;
    }
    expect(more, "networks of which something is computed again").to.be.above(10);
  });

  it("takes less memory, and computes no more than is lost", async () => {
    const { saved, dispatches } = await compare(twoParts);
    // The first result of each part is computed again: the second is read by what follows, and lives.
    expect(dispatches).to.equal(2);
    // That of the last part is needed at once.
    expect(Math.round(saved / BYTES)).to.equal(1);
  });

  it("needs memory for one part at a time", async () => {
    const saved = async (parts: number) => {
      const { saved } = await compare(({ x, w }, mark) => {
        let y = x;
        for (let i = 0; i < parts; i++)
          y = mark(() => [1, 2, 3].reduce((features) => convolution({ x: features, w }), y));
        return mean(square(y));
      });
      return Math.round(saved / BYTES);
    };
    // Two of three results of each part but the last.
    expect(await saved(3)).to.equal(4);
    expect(await saved(6)).to.equal(10);
  });

  it("takes a value that is used inside and outside, and one that feeds two places", async () => {
    await compare(({ x, w }, mark) => {
      let inner = x;
      const y = mark(() => {
        inner = convolution({ x, w });
        return mul(square(inner), inner);
      });
      return add(mean(mul(y, inner)), mean(square(add(y, maxPooled(y)))));
    });
  });

  const maxPooled = (x: Tensor) => meanStd(maxPool2d(x)).mean;

  it("takes a part with several results, one of them unused", async () => {
    await compare(({ x, w }, mark) => {
      const [a, b] = mark(() => {
        const y = convolution({ x, w });
        return [meanStd(y), square(y), scale(y, 3)] as const;
      });
      return mean(mul(add(b, a.std), sub(b, a.mean)));
    });
  });

  it("differentiates with respect to a tensor inside, and twice", async () => {
    const values = async (mark: Mark) => {
      const plan = await compile(device, { x: [3] }, ({ x }) => {
        let inner = x;
        const y = mark(() => {
          inner = mul(square(x), x);
          return square(inner);
        });
        const [dx, dinner] = grad(sum(y), [x, inner]) as [Tensor, Tensor];
        return { dinner, ddx: grad(sum(dx), [x])[0] as Tensor };
      });
      const { dinner, ddx } = dataOf(await plan.run({ x: Float32Array.of(1, 2, 3) }));
      plan.dispose();
      return [...dinner, ...ddx];
    };
    // y = x⁶: 2x³ and 30x⁴.
    expect(await values(checkpointed)).to.deep.equal([2, 16, 54, 30, 480, 2430]);
    expect(await values((part) => part())).to.deep.equal([2, 16, 54, 30, 480, 2430]);
  });

  it("is on where checkpointing() says so, and makes inner segments part of the outer one", () => {
    const segments = (build: () => void) => new Set(trace(build).graph.nodes.map((node) => node.segment));
    const x = new Variable("x", [1], true);
    const twice = () =>
      segment(() =>
        segment(() =>
          scale(
            segment(() => scale(x, 2)),
            2,
          ),
        ),
      );
    expect([...segments(twice)]).to.deep.equal([undefined]);
    expect([...segments(() => checkpointing(true, () => checkpointing(false, twice)))]).to.deep.equal([undefined]);
    const [only, ...more] = segments(() => checkpointing(true, twice));
    expect(only).to.be.a("symbol");
    expect(more).to.deep.equal([]);
    expect(segments(() => checkpointing(true, () => [twice(), twice()])).size).to.equal(2);
  });

  it("says in the scope what is computed again, within that of the gradient", () => {
    const { graph } = trace(() => {
      const x = new Variable("x", SHAPE, true);
      const w = new Variable("w", [3, 3, 3, 3], true);
      const loss = scope("network", () => twoParts({ x, w }, checkpointed));
      scope("gradient", () => grad(loss, [x, w]));
    });
    const scopes = new Set(graph.nodes.map((node) => node.scope));
    expect([...scopes]).to.deep.equal(["network", "gradient", "gradient.network", "gradient.again.network"]);
  });

  describe("refuses", () => {
    const parameters = () => {
      const set = new Parameters();
      const declare = (name: string, first = zeros) => set.declare(name, [3], first);
      return {
        weight: declare("weight", ones),
        bias: declare("bias"),
        mean: declare("mean"),
        variance: declare("var"),
      };
    };
    const refused = (build: () => unknown, ...words: string[]) => {
      const attempt = expect(() => trace(build)).to.throw(GraphError);
      for (const word of words) attempt.with.property("message").that.contains(word);
    };

    it("updates in place: running statistics and Adam", () => {
      const { weight, bias, mean, variance } = parameters();
      const x = new Variable("x", SHAPE, true);
      const normalise = (training: boolean) => () =>
        checkpointed(() => batchNorm(x, weight, bias, mean, variance, { training }));
      refused(normalise(true), "batch_norm would update mean twice", "Record it outside of segment()");
      expect(() => trace(normalise(false))).not.to.throw();
      const hyper = new Variable("hyper", [8], false);
      const moments = { expAvg: [bias], expAvgSq: [mean] };
      refused(() => checkpointed(() => adam([weight], [weight], moments, hyper)), "adam would update weight twice");
    });

    it("to compute again with a variable that was updated since", () => {
      const { weight, bias, mean: running, variance } = parameters();
      const x = new Variable("x", SHAPE, true);
      const loss = (mark: Mark, update: boolean) => () => {
        const y = mark(() =>
          square(
            add(
              x,
              noGrad(() => batchNorm(x, weight, bias, running, variance, { training: false })),
            ),
          ),
        );
        if (update) batchNorm(x, weight, bias, running, variance, { training: true });
        return grad(mean(y), [x]);
      };
      refused(loss(checkpointed, true), "mean was updated in place after batch_norm used it", "Call grad() before");
      expect(() => trace(loss(checkpointed, false))).not.to.throw();
      expect(() => trace(loss((part) => part(), true))).not.to.throw();
    });

    it("nothing after a part that failed", () => {
      const { graph } = trace(() => {
        expect(() =>
          checkpointed(() => {
            throw new Error("failed");
          }),
        ).to.throw("failed");
        scale(new Variable("x", [1], true), 2);
      });
      expect(graph.nodes[0]?.segment).to.equal(undefined);
    });
  });
});
