import { expect } from "chai";
import { ShaderError } from "../../src/gpu/errors.js";
import { packParams, setConstants, shaderInterface, storeHalves } from "../../src/gpu/shader.js";

const WGSL = `
// @group(0) @binding(9) var<storage, read> commented: array<f32>;
const TILE: u32 = 4u;
const FAST = true;
alias Value = f32;
struct Params {
  count: u32,  // elements
  shift: i32, alpha: f32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> weights: array<vec4f, 16>;
@group(0) @binding(3) var<uniform> params: Params;
`;

describe("shader text", () => {
  it("reads bindings and parameters from the declarations", () => {
    const declared = shaderInterface("test", WGSL);
    expect(declared.bindings).to.deep.equal([
      { name: "x", index: 0, access: "read" },
      { name: "y", index: 1, access: "write" },
      { name: "weights", index: 2, access: "uniform" },
    ]);
    expect(declared.paramsIndex).to.equal(3);
    expect(declared.params).to.deep.equal([
      { name: "count", type: "u32" },
      { name: "shift", type: "i32" },
      { name: "alpha", type: "f32" },
    ]);
  });

  it("replaces the value of a constant and keeps its type", () => {
    const text = setConstants("test", WGSL, { TILE: "16u", FAST: false });
    expect(text).to.contain("const TILE: u32 = 16u;").and.to.contain("const FAST = false;");
  });

  it("replaces the type that an alias stands for", () => {
    expect(setConstants("test", WGSL, { Value: "vec4f" })).to.contain("alias Value = vec4f;");
  });

  it("stores bindings in 16 bits, whatever their aliases stand for, and asks for f16 only then", () => {
    const text =
      "// two\nalias StoredX = f32;\nalias StoredHeld = Values;\nalias Values = vec4f;\nalias StoredY = Values;";
    expect(storeHalves("test", text, [])).to.equal(text);
    expect(storeHalves("test", text, ["x", "held"])).to.equal(
      `enable f16; ${text.replace("X = f32", "X = f16").replace("Held = Values", "Held = vec4h")}`,
    );
    const vectors = setConstants("test", text, { Values: "vec4<f32>" });
    expect(storeHalves("test", vectors, ["y"]))
      .to.contain("alias StoredY = vec4<f16>;")
      .and.contain("alias Values = vec4<f32>");
    expect(() => storeHalves("test", text, ["z"])).to.throw(
      ShaderError,
      "shader test has no 16 bits for z. Declare 'alias StoredZ = f32;' or cast",
    );
  });

  it("refuses a constant that the shader does not declare", () => {
    expect(() => setConstants("test", WGSL, { TILES: 1 })).to.throw(ShaderError, "test has no line 'const TILES");
  });

  it("packs parameters in the order of the struct, whatever the order given", () => {
    const { params } = shaderInterface("test", WGSL);
    const view = new DataView(packParams("test", params, { alpha: 0.5, count: 7, shift: -3 }));
    expect([view.getUint32(0, true), view.getInt32(4, true), view.getFloat32(8, true)]).to.deep.equal([7, -3, 0.5]);
  });

  it("names a parameter that is missing, unknown, or no u32", () => {
    const { params } = shaderInterface("test", WGSL);
    const pack = (values: Record<string, number>) => () => packParams("test", params, values);
    expect(pack({ count: 1, shift: 0 })).to.throw(ShaderError, "Params.alpha is not given");
    expect(pack({ count: 1, shift: 0, alpha: 0, beta: 0 })).to.throw(ShaderError, "no Params.beta");
    expect(pack({ count: -1, shift: 0, alpha: 0 })).to.throw(ShaderError, "Params.count = -1");
    expect(pack({ count: 1, shift: 0, alpha: 0 })).not.to.throw();
  });
});
