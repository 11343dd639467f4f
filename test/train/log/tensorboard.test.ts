import { readdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { PNG } from "pngjs";
import protobuf from "protobufjs";
import { OutputError } from "../../../src/files/errors.js";
import { encodePng } from "../../../src/files/png.js";
import { createImage } from "../../../src/image/image.js";
import { crc32c, frame, maskedCrc32c } from "../../../src/train/log/events.js";
import { TensorBoardLog } from "../../../src/train/log/tensorboard.js";
import { failure, fillNoise, inFolder } from "../../files/golden.js";
import { onFullDisk } from "./full_disk.js";

// The fields that TensorBoard knows of these messages (its compat/proto: event.proto and summary.proto).
const { root } = protobuf.parse(
  `syntax = "proto3";
  message Event {
    double wall_time = 1;
    int64 step = 2;
    oneof what {
      string file_version = 3;
      bytes graph_def = 4;
      Summary summary = 5;
      SessionLog session_log = 7;
      bytes meta_graph_def = 9;
    }
  }
  message SessionLog {
    enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; STOP = 2; CHECKPOINT = 3; }
    SessionStatus status = 1;
    string checkpoint_path = 2;
    string msg = 3;
  }
  message Summary {
    message Image {
      int32 height = 1;
      int32 width = 2;
      int32 colorspace = 3;
      bytes encoded_image_string = 4;
    }
    message Value {
      string tag = 1;
      oneof value {
        float simple_value = 2;
        bytes obsolete_old_style_histogram = 3;
        Image image = 4;
      }
    }
    repeated Value value = 1;
  }`,
  { keepCase: true },
);
const Event = root.lookupType("Event");

interface Value {
  readonly tag: string;
  readonly simple_value?: number;
  readonly image?: { height: number; width: number; colorspace: number; encoded_image_string: Buffer };
}

interface EventFields {
  readonly wall_time: number;
  readonly step: number;
  readonly file_version?: string;
  readonly session_log?: { status: string };
  readonly summary?: { value: Value[] };
}

/** The remainder of a division by the polynomial, bit by bit: the definition, without a table. */
function crcByDivision(bytes: Uint8Array): number {
  let rest = -1;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ ((rest & 1) * 0x82f63b78);
  }
  return ~rest >>> 0;
}

function mask(crc: number): number {
  const wide = BigInt(crc);
  return Number((((wide >> 15n) | ((wide << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
}

/** The contents of an event file's records, their checksums tested. */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const end = at + 12 + Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).to.equal(mask(crcByDivision(file.subarray(at, at + 8))));
    expect(file.readUInt32LE(end)).to.equal(mask(crcByDivision(file.subarray(at + 12, end))));
    records.push(file.subarray(at + 12, end));
    at = end + 4;
  }
  return records;
}

async function eventsOf(path: string): Promise<EventFields[]> {
  return recordsOf(await readFile(path)).map((record) => {
    const message = Event.decode(record);
    // What the definition does not know would get lost on the way back.
    expect(Buffer.from(Event.encode(message).finish())).to.deep.equal(record);
    const fields = Event.toObject(message, { longs: Number, enums: String, bytes: Buffer });
    return { step: 0, ...fields } as EventFields;
  });
}

const scalarsIn = (events: readonly EventFields[]) =>
  events.flatMap(({ step, summary }) =>
    (summary?.value ?? []).map(({ tag, simple_value }) => [step, tag, simple_value]),
  );

describe("tensorboard", () => {
  it("computes CRC-32C", () => {
    // RFC 3720, B.4.
    const count = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(crc32c(new Uint8Array(32))).to.equal(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).to.equal(0x62a8ab43);
    expect(crc32c(count)).to.equal(0x46dd794e);
    expect(crc32c(count.toReversed())).to.equal(0x113fdb5c);
    const command = Buffer.alloc(48);
    command.set([0x01, 0xc0], 0);
    command.set([0x14, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28], 16);
    command.set([2], 40);
    expect(crc32c(command)).to.equal(0xd9963a56);
    expect(crc32c(new Uint8Array())).to.equal(0);
    expect(crc32c(Buffer.from("123456789"))).to.equal(0xe3069283);
    const noise = fillNoise(createImage(50, 20, 1, 8), 5).data as Uint8Array;
    expect(crc32c(noise)).to.equal(crcByDivision(noise));
  });

  it("frames records as TensorFlow does", () => {
    // From files that TensorFlow wrote (the tests of TensorBoard's masked_crc.rs and tf_record.rs).
    expect(maskedCrc32c(Buffer.from("\x1a\x11CRC test, one two", "latin1"))).to.equal(0x5794d08a);
    const content = Buffer.from("\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0dbrain.Event:2", "latin1");
    const record = Buffer.from(frame(content));
    expect(record.subarray(0, 12).toString("hex")).to.equal("1800000000000000a37f4b22");
    expect(record.subarray(12, -4)).to.deep.equal(content);
    expect(record.subarray(-4).toString("hex")).to.equal("124b36ab");
  });

  it("writes scalars that another parser reads", () =>
    inFolder(async (folder) => {
      const before = Date.now() / 1000;
      const log = await TensorBoardLog.open(join(folder, "run", "tensorboard"));
      const steps = [0, 1, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32 + 5, 2 ** 40, Number.MAX_SAFE_INTEGER];
      for (const step of steps) log.scalars(step, { "loss/l1": step / 7, "Größe ✓": -1.5 });
      log.scalars(3, { nan: Number.NaN, high: Infinity, low: -Infinity, zero: 0, tiny: 2 ** -149 });
      log.scalars(4, {});
      log.flush();
      log.close();
      log.close();
      const [name, ...others] = await readdir(join(folder, "run", "tensorboard"));
      expect(others).to.deep.equal([]);
      const seconds = Number(/^events\.out\.tfevents\.(\d{10})\./.exec(name!)![1]);
      expect(seconds).to.be.within(Math.floor(before), Date.now() / 1000);
      expect(name!.endsWith(`.${hostname()}`)).to.equal(true);

      const [version, start, ...events] = await eventsOf(join(folder, "run", "tensorboard", name!));
      expect(version!.file_version).to.equal("brain.Event:2");
      expect([start!.step, start!.session_log]).to.deep.equal([0, { status: "START" }]);
      for (const { wall_time } of [version!, start!, ...events])
        expect(wall_time).to.be.within(before, Date.now() / 1000);
      expect(scalarsIn(events)).to.deep.equal([
        ...steps.flatMap((step) => [
          [step, "loss/l1", Math.fround(step / 7)],
          [step, "Größe ✓", -1.5],
        ]),
        [3, "nan", Number.NaN],
        [3, "high", Infinity],
        [3, "low", -Infinity],
        [3, "zero", 0],
        [3, "tiny", 2 ** -149],
      ]);
      expect(events.at(-1)!.step).to.equal(4);
    }));

  it("writes images that decode to the same pixels", () =>
    inFolder(async (folder) => {
      const image = fillNoise(createImage(70, 30, 3, 8), 3);
      const log = await TensorBoardLog.open(folder);
      log.image(200, "samples", encodePng(image), image.width, image.height);
      log.close();
      const [name] = await readdir(folder);
      const event = (await eventsOf(join(folder, name!)))[2]!;
      const [value] = event.summary!.value;
      expect([event.step, value!.tag]).to.deep.equal([200, "samples"]);
      const { encoded_image_string: encoded, ...fields } = value!.image!;
      expect(fields).to.deep.equal({ height: 30, width: 70, colorspace: 3 });
      const decoded = PNG.sync.read(encoded);
      expect([decoded.width, decoded.height]).to.deep.equal([70, 30]);
      expect(decoded.data.filter((_, i) => i % 4 < 3)).to.deep.equal(Buffer.from(image.data));
    }));

  it("begins a later file at every resumption, which drops what came after the checkpoint", () =>
    inFolder(async (folder) => {
      const files: string[] = [];
      // All within a second; the last one after the clock was set back from the year 2100.
      for (const [resumed, to] of [
        [undefined, 5],
        [3, 8],
        [6, 9],
        [9, 10],
      ] as const) {
        if (resumed === 9) await writeFile(join(folder, `events.out.tfevents.${4102444800}.other`), "");
        const log = await TensorBoardLog.open(folder, resumed);
        for (let step = (resumed ?? 0) + 1; step <= to; step++) log.scalars(step, { loss: step + (resumed ?? 0) / 10 });
        log.close();
        const names = (await readdir(folder)).sort();
        expect(names.slice(0, files.length)).to.deep.equal(files);
        files.splice(0, files.length, ...names);
      }
      expect(files[4]).to.match(/^events\.out\.tfevents\.4102444801\./);

      // What TensorBoard does: files by name; a start, except a run's first, drops its step and all later ones.
      let seen: EventFields[] = [];
      let starts = 0;
      for (const name of files) {
        for (const event of await eventsOf(join(folder, name))) {
          if (event.session_log?.status === "START" && starts++ > 0)
            seen = seen.filter(({ step }) => step < event.step);
          if (event.summary !== undefined) seen.push(event);
        }
      }
      expect(starts).to.equal(4);
      const steps = [1, 2, 3, 4.3, 5.3, 6.3, 7.6, 8.6, 9.6, 10.9];
      expect(scalarsIn(seen)).to.deep.equal(steps.map((v, i) => [i + 1, "loss", Math.fround(v)]));
    }));

  it("tells of a full disk and of a folder it cannot have", () =>
    inFolder(async (folder) => {
      const log = await TensorBoardLog.open(folder);
      onFullDisk(() => {
        expect(() => log.scalars(1, { loss: 1 })).to.throw(OutputError, /tfevents.*: the disk is full\. Make room/);
      });
      log.scalars(2, { loss: 2 });
      log.close();
      const [name] = await readdir(folder);
      expect(scalarsIn(await eventsOf(join(folder, name!)))).to.deep.equal([[2, "loss", 2]]);
      await failure(() => TensorBoardLog.open(join(folder, name!)), OutputError, /a file has this name/);
    }));
});
