import { lstat, mkdir, readdir, readFile, realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { checkTarget, linkFileAtomic, makeFolder, removeLeftovers, writeFileAtomic } from "../../src/files/atomic.js";
import { OutputError } from "../../src/files/errors.js";
import { failure, inFolder } from "./golden.js";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("atomic", () => {
  it("writes pieces as one file and replaces the old one", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a");
      await writeFile(path, "a much longer old content");
      await writeFileAtomic(path, [bytes("new "), bytes(""), bytes("content")]);
      expect(await readFile(path, "utf8")).to.equal("new content");
      expect(await readdir(folder)).to.deep.equal(["a"]);
    }));

  it("names what is in the way and leaves nothing behind", () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, "folder"));
      await failure(
        () => writeFileAtomic(join(folder, "none", "a"), bytes("x")),
        OutputError,
        /none does not exist\. Create it/,
      );
      await failure(() => writeFileAtomic(join(folder, "folder"), bytes("x")), OutputError, /is a folder/);
      await failure(() => writeFileAtomic("/dev/null", bytes("x")), OutputError, /no ordinary file/);
      expect((await lstat("/dev/null")).isFile()).to.equal(false);
      expect(await readdir(folder)).to.deep.equal(["folder"]);
    }));

  it("tells beforehand what would be in the way", () =>
    inFolder(async (temporary) => {
      const folder = await realpath(temporary);
      await mkdir(join(folder, "folder"));
      await writeFile(join(folder, "file"), "old");
      await symlink("file", join(folder, "link"));
      const refuses = (path: string, message: RegExp) => failure(() => checkTarget(path), OutputError, message);
      await refuses(join(folder, "none", "a"), /none does not exist\. Create it/);
      await refuses(join(folder, "file", "a"), /file is no folder/);
      await refuses(join(folder, "folder"), /is a folder/);
      await refuses(join(folder, "a".repeat(250)), /the name is too long/);
      expect(await checkTarget(join(folder, "new"))).to.equal(join(folder, "new"));
      expect(await checkTarget(join(folder, "link"))).to.equal(join(folder, "file"));
      expect((await readdir(folder)).sort()).to.deep.equal(["file", "folder", "link"]);
      expect(await readFile(join(folder, "file"), "utf8")).to.equal("old");
    }));

  it("keeps the old file when a write fails half-way", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a");
      await writeFile(path, "old");
      // A piece that is no bytes makes the second write fail.
      const broken = [bytes("new"), 5 as unknown as Uint8Array];
      await failure(() => writeFileAtomic(path, broken), OutputError, /cannot write/);
      expect(await readFile(path, "utf8")).to.equal("old");
      expect(await readdir(folder)).to.deep.equal(["a"]);
    }));

  it("keeps a link a link", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "target"), "old");
      await symlink("target", join(folder, "link"));
      await writeFileAtomic(join(folder, "link"), bytes("new"));
      expect((await lstat(join(folder, "link"))).isSymbolicLink()).to.equal(true);
      expect(await readFile(join(folder, "target"), "utf8")).to.equal("new");
    }));

  it("gives a file a second name in place of another", () =>
    inFolder(async (folder) => {
      const [first, second] = [join(folder, "first"), join(folder, "second")];
      await writeFile(first, "new");
      await writeFile(second, "old");
      // Once more: now both are names of one file already.
      for (let i = 0; i < 2; i++) await linkFileAtomic(first, second);
      await writeFileAtomic(first, bytes("newer"));
      expect(await readFile(second, "utf8")).to.equal("new");
      await symlink("first", join(folder, "link"));
      await linkFileAtomic(join(folder, "link"), second);
      expect((await lstat(second)).isSymbolicLink()).to.equal(false);
      expect(await readFile(second, "utf8")).to.equal("newer");
      await failure(() => linkFileAtomic(join(folder, "none"), second), OutputError, /cannot write .*second/);
      expect(await readFile(second, "utf8")).to.equal("newer");
      expect((await readdir(folder)).sort()).to.deep.equal(["first", "link", "second"]);
    }));

  it("makes folders", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "file"), "x");
      for (let i = 0; i < 2; i++) await makeFolder(join(folder, "a", "b"));
      expect((await lstat(join(folder, "a", "b"))).isDirectory()).to.equal(true);
      await failure(() => makeFolder(join(folder, "file")), OutputError, /file: a file has this name/);
      await failure(() => makeFolder(join(folder, "file", "a")), OutputError, /file is no folder/);
      expect(await makeFolder("/")).to.equal(false);
      expect(await Promise.all([1, 2, 3].map(() => makeFolder(join(folder, "at", "once"))))).to.include(true);
      // The system says that what is to be made does not exist.
      if (process.platform === "linux") await failure(() => makeFolder("/proc/none/a"), OutputError, /cannot write/);
    }));

  it("removes only what dead processes left", () =>
    inFolder(async (folder) => {
      const dead = 2 ** 22 + 1;
      const kept = [`.a.${process.ppid}-0.tmp`, `a.${dead}-0.tmp`, ".a.x-0.tmp", ".a.-0.tmp", "a"];
      const left = [`.a.${dead}-7.tmp`, `.a.5-1.tmp.${dead}-70.tmp`, `.a.${process.pid}-0.tmp`];
      for (const name of [...kept, ...left]) await writeFile(join(folder, name), "x");
      await removeLeftovers(folder);
      expect((await readdir(folder)).sort()).to.deep.equal(kept.sort());
      await removeLeftovers(join(folder, "none"));
    }));
});
