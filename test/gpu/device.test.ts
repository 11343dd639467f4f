import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { create } from "webgpu";
import { ArgumentError } from "../../src/errors.js";
import { BufferUsage, type Device, type DeviceOptions, type Platform } from "../../src/gpu/device.js";
import {
  DeviceLostError,
  LimitError,
  NoAdapterError,
  OutOfGpuMemoryError,
  ShaderError,
  ValidationError,
} from "../../src/gpu/errors.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { rejection } from "../rejection.js";

const USAGE = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
const quiet: Platform = { ...nodePlatform, warn: () => {} };

describe("device", () => {
  const opened: Device[] = [];
  const open = async (options: DeviceOptions = {}, platform = quiet) => {
    const device = await openDevice(options, platform);
    opened.push(device);
    return device;
  };
  afterEach(() => {
    for (const device of opened.splice(0)) device.dispose();
  });

  it("names the adapter and says once that it is software", async () => {
    const told: string[] = [];
    const device = await open({}, { ...nodePlatform, warn: (message) => told.push(message) });
    expect(device.info.name).not.to.equal("");
    expect(told).to.have.length(device.info.software ? 1 : 0);
  });

  it("finds the adapter by a part of its name, any case", async () => {
    const { name } = (await open()).info;
    expect((await open({ adapter: name.slice(0, 5).toUpperCase() })).info.name).to.equal(name);
  });

  it("refuses an adapter name that nothing has", async () => {
    const error = await rejection(open({ adapter: "no-such-gpu" }));
    expect(error).to.be.instanceOf(NoAdapterError);
    expect(error.message).to.contain("no-such-gpu").and.to.contain("masa doctor");
  });

  it("refuses Dawn's null backend", async () => {
    const platform = { ...quiet, gpu: () => create(["backend=null"]) };
    expect(await rejection(open({}, platform))).to.be.instanceOf(NoAdapterError);
  });

  it("counts buffers to the byte and gives them back", async () => {
    const device = await open();
    const [a, b] = await device.allocate([
      { label: "a", bytes: 1000, usage: USAGE },
      { label: "b", bytes: 24, usage: USAGE },
    ]);
    expect(device.memory()).to.deep.equal({ bytes: 1024, buffers: 2, peakBytes: 1024 });
    a?.dispose();
    a?.dispose();
    expect(device.memory()).to.deep.equal({ bytes: 24, buffers: 1, peakBytes: 1024 });
    b?.dispose();
    expect(device.memory().bytes).to.equal(0);
  });

  it("writes and reads back", async () => {
    const device = await open();
    const [buffer] = await device.allocate([{ label: "numbers", bytes: 12, usage: USAGE }]);
    device.write(buffer as never, Float32Array.of(1, -2, 3.5));
    expect([...new Float32Array(await device.read(buffer as never))]).to.deep.equal([1, -2, 3.5]);
    expect(device.memory().buffers, "the readback's buffer is gone").to.equal(1);
  });

  it("names the tensor that is larger than any buffer may be", async () => {
    const device = await open({ limits: { maxBufferSize: 2 ** 28 } });
    const error = await rejection(device.allocate([{ label: "fea", bytes: 2 ** 28 + 4, usage: USAGE }]));
    expect(error).to.be.instanceOf(LimitError);
    expect(error.message).to.contain("fea").and.to.contain("256 MiB");
    expect(device.memory().buffers).to.equal(0);
  });

  it("refuses limits above the adapter's", async () => {
    expect(await rejection(open({ limits: { maxBufferSize: 2 ** 50 } }))).to.be.instanceOf(LimitError);
  });

  it("names the tensor that finds no memory, keeps nothing, and goes on", async () => {
    const device = await open({ memoryLimit: 1000 });
    const request = (label: string, bytes: number) => ({ label, bytes, usage: USAGE });
    const error = await rejection(device.allocate([request("small", 600), request("large", 600)]));
    expect(error).to.be.instanceOf(OutOfGpuMemoryError);
    expect(error.message).to.contain("large needs 600 B").and.to.contain("1000 B allowed");
    expect(device.memory().bytes).to.equal(0);
    await device.allocate([request("small", 600)]);
  });

  it("shows file, line and text of a shader that does not compile", async () => {
    const shader = () => "@compute @workgroup_size(1)\nfn main() { let a = foo; }";
    const device = await open({}, { ...quiet, shader });
    const error = await rejection(device.pipeline({ shader: "broken", entry: "main", constants: {} }));
    expect(error).to.be.instanceOf(ShaderError);
    expect(error.message).to.contain("broken.wgsl:2").and.to.contain("let a = foo").and.to.contain("unresolved");
  });

  it("says which shader file is missing", async () => {
    const device = await open();
    const error = await rejection(device.pipeline({ shader: "absent", entry: "main", constants: {} }));
    expect(error).to.be.instanceOf(ShaderError);
    expect(error.message).to.contain("absent.wgsl");
  });

  it("turns a validation error into a failure of the call, and goes on", async () => {
    const device = await open();
    const misuse = () => device.gpu.createBuffer({ size: 4, usage: BufferUsage.MAP_READ | BufferUsage.STORAGE });
    expect(await rejection(device.guard("misuse", misuse))).to.be.instanceOf(ValidationError);
    await device.finish();
  });

  it("fails the next call after an uncaptured error", async () => {
    const device = await open();
    device.gpu.createBuffer({ size: 4, usage: BufferUsage.MAP_READ | BufferUsage.STORAGE });
    const error = await rejection(device.finish().then(() => device.finish()));
    expect(error).to.be.instanceOf(ValidationError);
  });

  it("is lost where WebGPU no longer answers", async () => {
    const device = await open();
    // What Chrome does when its GPU process dies, before it says that the device is lost.
    device.gpu.queue.onSubmittedWorkDone = () => Promise.reject(new Error("a valid external Instance reference"));
    const error = await rejection(device.finish());
    expect(error).to.be.instanceOf(DeviceLostError);
    expect(error.message).to.contain("a valid external Instance reference");
  });

  it("fails every call after the device is lost, a waiting readback too", async () => {
    const device = await open();
    const [buffer] = await device.allocate([{ label: "numbers", bytes: 4, usage: USAGE }]);
    const reading = rejection(device.read(buffer as never));
    device.gpu.destroy();
    expect(await reading).to.be.instanceOf(DeviceLostError);
    await device.gpu.lost;
    expect(await rejection(device.finish())).to.be.instanceOf(DeviceLostError);
    expect(() => device.write(buffer as never, Float32Array.of(1))).to.throw(DeviceLostError);
  });

  it("refuses a memory limit that is not a number of bytes", async () => {
    for (const memoryLimit of [Number.NaN, -1, 0]) {
      const error = await rejection(open({ memoryLimit }));
      expect(error).to.be.instanceOf(ArgumentError);
      expect(error.message).to.contain(`memoryLimit is ${memoryLimit}`);
    }
  });

  it("leaves no thread and no open file behind when disposed", () => {
    // Counted in /proc.
    if (process.platform !== "linux") return;
    const script = `
      import { readdirSync } from "node:fs";
      import { nodePlatform, openDevice } from ${JSON.stringify(new URL("../../src/platform/node.js", import.meta.url).href)};
      const cycle = async () => (await openDevice({}, { ...nodePlatform, warn: () => {} })).dispose();
      const measure = () => ({ threads: readdirSync("/proc/self/task").length, files: readdirSync("/proc/self/fd").length });
      for (let i = 0; i < 3; i++) await cycle();
      const before = measure();
      for (let i = 0; i < 30; i++) await cycle();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const after = measure();
      console.log(after.threads - before.threads, after.files - before.files);`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    const [threads, files] = stdout.split(" ").map(Number);
    expect(threads, stderr).to.be.below(6);
    expect(files).to.be.below(6);
  });

  it("frees everything when closed, twice without harm, and then refuses", async () => {
    const device = await open();
    await device.allocate([{ label: "a", bytes: 64, usage: USAGE }]);
    device.dispose();
    device.dispose();
    expect(device.memory().bytes).to.equal(0);
    expect(await rejection(device.finish())).to.be.instanceOf(DeviceLostError);
  });
});
