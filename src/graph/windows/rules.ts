/** Window rules of nodes, and the arithmetic of scales. */
import type { Node, Tensor } from "../trace/tensor.js";
import type { MapRule, Ratio, WindowRule } from "../trace/window.js";

/** The window rule of a node; undefined for one that needs its inputs whole. */
export function ruleOf({ operation, inputs, attributes }: Node): WindowRule | undefined {
  return operation.window?.(inputs, attributes);
}

/** The input maps of a local node with their rules. */
export function mapsOf(node: Node): [Tensor, MapRule][] {
  const { maps } = ruleOf(node) as WindowRule;
  return Object.entries(maps).flatMap(([name, rule]) =>
    [node.inputs[name] ?? []].flat().map((tensor): [Tensor, MapRule] => [tensor as Tensor, rule]),
  );
}

/** Height and width of a map. */
export function sizeOf({ shape }: Tensor): [number, number] {
  return [shape[2] as number, shape[3] as number];
}

export function multiply([a, b]: Ratio, [c, d]: Ratio): Ratio {
  const divisor = gcd(a * c, b * d);
  return [(a * c) / divisor, (b * d) / divisor];
}

export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

export function lcm(a: number, b: number): number {
  return (a / gcd(a, b)) * b;
}
