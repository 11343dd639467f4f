import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import type { AdapterInfo, Device } from "../../src/gpu/device.js";
import {
  clearChoices,
  codeHash,
  keepChoices,
  keptChoices,
  tuningPath,
  tuningPlace,
} from "../../src/platform/tuning.js";
import { inFolder } from "../files/golden.js";

/** What of a device the cache knows. */
function adapter(info: Partial<AdapterInfo> = {}, choices: Readonly<Record<string, string>> = {}) {
  const warnings: string[] = [];
  const platform = { warn: (message: string) => warnings.push(message) };
  const device = { info: { name: "A", description: "driver 1", ...info }, choices: new Map(Object.entries(choices)) };
  return { device: { ...device, platform } as unknown as Device, warnings };
}

const withPlace = (test: (place: { path: string; code: () => string }, folder: string) => Promise<void>) =>
  inFolder((folder) => test({ path: join(folder, "cache", "tuning.json"), code: () => "code 1" }, folder));

const kept = async (device: Device, place: { path: string; code: () => string }) =>
  Object.fromEntries(await keptChoices(device, place));

describe("cache of the tuner", () => {
  it("keeps choices, adds to them, and leaves no other file", () =>
    withPlace(async (place) => {
      const { device, warnings } = adapter({}, { b: "fast", a: "slow" });
      expect(await kept(device, place)).to.deep.equal({});
      await keepChoices(device, place);
      expect(await kept(device, place)).to.deep.equal({ a: "slow", b: "fast" });
      await keepChoices(adapter({}, { a: "fast", c: "new" }).device, place);
      expect(await kept(device, place)).to.deep.equal({ a: "fast", b: "fast", c: "new" });
      expect(readdirSync(join(place.path, ".."))).to.deep.equal(["tuning.json"]);
      expect(warnings).to.deep.equal([]);
    }));

  it("knows adapters and drivers apart", () =>
    withPlace(async (place) => {
      const others = [{ name: "B" }, { description: "driver 2" }].map((info) => adapter(info, { a: "other" }).device);
      await keepChoices(adapter({}, { a: "mine" }).device, place);
      for (const device of others) expect(await kept(device, place)).to.deep.equal({});
      for (const device of others) await keepChoices(device, place);
      expect(await kept(adapter().device, place)).to.deep.equal({ a: "mine" });
      for (const device of others) expect(await kept(device, place)).to.deep.equal({ a: "other" });
      await clearChoices(others[0] as Device, place);
      expect(others[0]?.choices.size).to.equal(0);
      expect(await kept(others[0] as Device, place)).to.deep.equal({});
      expect(await kept(adapter().device, place)).to.deep.equal({ a: "mine" });
    }));

  it("forgets what was measured of other code when it keeps something of its own", () =>
    withPlace(async (place) => {
      await keepChoices(adapter({}, { a: "old", b: "old" }).device, place);
      const newer = { ...place, code: () => "code 2" };
      expect(await kept(adapter().device, newer)).to.deep.equal({});
      expect(await kept(adapter().device, place)).to.deep.equal({ a: "old", b: "old" });
      await keepChoices(adapter({}, { a: "new" }).device, newer);
      expect(await kept(adapter().device, newer)).to.deep.equal({ a: "new" });
      expect(await kept(adapter().device, place)).to.deep.equal({});
    }));

  it("takes a broken file for none, says so once, and writes it anew", () =>
    withPlace(async (place) => {
      mkdirSync(join(place.path, ".."));
      const whole = JSON.stringify({ format: "masa-webgpu tuning 1", adapters: {} });
      const entry = (value: unknown) => JSON.stringify({ format: "masa-webgpu tuning 1", adapters: { x: value } });
      const broken = ["", "{", "null", "[]", '"text"', whole.slice(0, -1), '{"format":"masa-webgpu tuning 2"}'];
      broken.push(...[null, 3, {}, { code: "c", choices: { a: 1 } }, { code: 1, choices: {} }].map(entry));
      for (const text of broken) {
        writeFileSync(place.path, text);
        const { device, warnings } = adapter({}, { a: "fast" });
        expect(await kept(device, place), text).to.deep.equal({});
        expect(warnings, text).to.have.length(1);
        expect(warnings[0]).to.match(/tuning\.json is damaged and is ignored; 'masa tune' writes it anew$/);
        await keepChoices(device, place);
        expect(await kept(device, place)).to.deep.equal({ a: "fast" });
        expect(warnings, text).to.have.length(2);
      }
    }));

  it("warns of what cannot be read, and fails where nothing can be written", () =>
    withPlace(async (place) => {
      mkdirSync(place.path, { recursive: true });
      const { device, warnings } = adapter({}, { a: "fast" });
      expect(await kept(device, place)).to.deep.equal({});
      expect(warnings.join()).to.match(/^the tuner's results cannot be read: EISDIR/);
      const failure = await keepChoices(device, place).catch((error: unknown) => error);
      expect(failure).to.include({ name: "OutputError" });
    }));

  it("stands in the cache folder of the system", () => {
    const linux = (env: Record<string, string>) => tuningPath("linux", env, "/home/me");
    expect(linux({})).to.equal("/home/me/.cache/masa-webgpu/tuning.json");
    expect(linux({ XDG_CACHE_HOME: "/caches" })).to.equal("/caches/masa-webgpu/tuning.json");
    expect(linux({ XDG_CACHE_HOME: "relative" })).to.equal("/home/me/.cache/masa-webgpu/tuning.json");
    expect(tuningPath("darwin", {}, "/Users/me")).to.equal("/Users/me/Library/Caches/masa-webgpu/tuning.json");
    const windows = tuningPath("win32", { LOCALAPPDATA: "C:\\local" }, "C:\\me");
    expect(windows).to.match(/^C:\\local.masa-webgpu.tuning\.json$/);
  });

  it("is valid for one text of shaders and kernels", () =>
    inFolder(async (folder) => {
      const folders = [pathToFileURL(`${folder}/`)];
      const hashes: string[] = [];
      for (const [name, text] of [
        ["a.wgsl", "const TILE = 8u;"],
        ["a.wgsl", "const TILE = 16u;"],
        ["a.js", "export const TILES = [8, 16];"],
        ["notes.txt", "no code"],
        ["family/b.js", "code of a kernel in a folder"],
      ] as const) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), text);
        hashes.push(codeHash(folders));
      }
      expect(hashes[0]).to.match(/^[0-9a-f]{16}$/);
      expect(new Set(hashes.slice(0, 3)).size).to.equal(3);
      expect(hashes[3]).to.equal(hashes[2]);
      expect(hashes[4]).not.to.equal(hashes[2]);
      // The program's own.
      expect(codeHash()).to.equal(tuningPlace().code()).and.not.equal(codeHash([]));
    }));
});
